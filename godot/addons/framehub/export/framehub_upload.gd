class_name FramehubUpload
extends RefCounted
## A session of the role editor for an export: it waits for the hub where an export, which is one call of the
## engine's, can't. What is on its way is bounded; the first thing that goes wrong stays in [member error].

const _MOST_BYTES: int = 8 << 20  # under way
const _MOST_ASKED: int = 4  # statements under way; the hub takes 8
const _PER_ASK: int = 256  # parameters of a statement
const _PAUSE: int = 300  # µs between two looks

## What went wrong, in words; empty while nothing has.
var error: String = ""
## How long the hub may be away, in seconds.
var patience: float = 30.0
## Called while it waits, with no arguments.
var waiting: Callable = Callable()

var _client: FramehubClient = FramehubClient.new()
var _under_way: Dictionary[int, int] = {}  # bytes by the number of a transaction
var _bytes: int = 0
var _live_at: int = Time.get_ticks_msec()
var _reason: String = "it does not answer"


func _notification(what: int) -> void:
	if what == NOTIFICATION_PREDELETE and is_instance_valid(_client):
		_client.free()  # it was never opened


## Connects. False where that can't be.
func open(url: String, role: String) -> bool:
	_client.url = url
	_client.role = role
	_client.keep_device = false
	_client.everything = false
	_client.poll_budget = 100.0
	_client.committed.connect(func(seq: int, _version: int) -> void: _settled(seq))
	_client.refused.connect(_on_refused)
	_client.disconnected.connect(_on_disconnected)
	_client.start()
	return until(_client.is_live)


## Leaves.
func close() -> void:
	_client.disconnected.disconnect(_on_disconnected)
	_client.stop()
	_client.link.see_off()
	_client.free()


## A table as the hub describes it, or null.
func shape(table: String) -> FramehubSchema.TableShape:
	return _client.schema().table(table)


## How many bytes a transaction would have, and how many the hub takes.
func size_of(tx: FramehubTx) -> Array[int]:
	return [tx.encode(_client.schema()).size(), _client.outbox.most_bytes()]


## Bytes that have been sent so far.
func sent() -> int:
	return _client.link.bytes_out


## Looks what has come. False where something has gone wrong.
func look() -> bool:
	_client.poll()
	if _client.is_live():
		_live_at = Time.get_ticks_msec()
	elif Time.get_ticks_msec() - _live_at > 1000.0 * patience:
		fail("the hub at %s was away for %d s: %s" % [FramehubSettings.address(_client.url), patience, _reason])
	if waiting.is_valid():
		waiting.call()
	return error.is_empty()


## Waits until something holds. False where something has gone wrong before.
func until(holds: Callable) -> bool:
	while look():
		if holds.call():
			return true
		OS.delay_usec(_PAUSE)
	return false


## Notes what went wrong; the first counts.
func fail(words: String) -> void:
	if error.is_empty():
		error = words


## Whether there is room for another transaction.
func has_room() -> bool:
	return _bytes < _MOST_BYTES


## Writes a transaction of about so many bytes, behind those before it.
func write(tx: FramehubTx, bytes: int) -> void:
	if _client.write(tx) != OK:
		fail("too much waits for the hub")
		return
	_under_way[tx.seq] = bytes
	_bytes += bytes


## Waits until all that was written has its outcome.
func settle() -> bool:
	return until(func() -> bool: return _under_way.is_empty())


func _settled(seq: int) -> void:
	_bytes -= _under_way.get(seq, 0)
	_under_way.erase(seq)


## Writes a transaction and waits for its outcome, which is in it; a refusal is no failure of the upload.
func try_write(tx: FramehubTx) -> bool:
	if not settle():
		return false
	_client.refused.disconnect(_on_refused)
	var taken: Error = _client.write(tx)
	var done: bool = taken == OK and until(func() -> bool: return tx.finished)
	_client.refused.connect(_on_refused)
	if taken != OK:
		fail("the hub takes nothing: %s" % error_string(taken))
	return done


func _on_refused(seq: int, code: String, text: String) -> void:
	_settled(seq)
	fail("the hub refuses what is written (%s): %s" % [code, text])


func _on_disconnected(_code: int, reason: String, will_retry: bool) -> void:
	_reason = reason
	if not will_retry:
		fail("the hub at %s does not let the export in: %s" % [FramehubSettings.address(_client.url), reason])


## The rows that a SELECT gives, asked again where the connection was lost. Empty where it failed.
func query(statement: String, params: Array = []) -> Array[Array]:
	while until(_client.is_live):
		var answer: FramehubAnswer = _client.sql(statement, params)
		if not until(func() -> bool: return answer.finished):
			break
		if answer.code.is_empty():
			return answer.rows
		if answer.code != "unavailable":
			fail("the hub can't be asked (%s): %s" % [answer.code, answer.text])
	return []


## Which of many hashes a table has: asked in parts, several at once. Call [method FramehubUpload.Presence.add]
## and [method FramehubUpload.Presence.look], and take what is missing.
func presence(table: String) -> Presence:
	return Presence.new(self, table)


## Asks which hashes a table of the hub has.
class Presence:
	extends RefCounted

	## Hashes that the table does not have, to be taken by whoever asked.
	var missing: Array[PackedByteArray] = []

	var _upload: FramehubUpload = null
	var _table: String = ""
	var _waiting: Array[PackedByteArray] = []
	var _asked: Dictionary[FramehubAnswer, Array] = {}

	func _init(upload: FramehubUpload, table: String) -> void:
		_upload = upload
		_table = table

	## Asks for a hash.
	func add(hash_of: PackedByteArray) -> void:
		_waiting.append(hash_of)

	## How many are not known to be there, or are missing and were not taken.
	func open() -> int:
		var asked: int = 0
		for part: Array in _asked.values():
			asked += part.size()
		return missing.size() + _waiting.size() + asked

	## Whether every answer has come.
	func is_done() -> bool:
		return _waiting.is_empty() and _asked.is_empty()

	## Takes answers, and asks on. With [param all], also where a statement could hold more.
	func look(all: bool) -> void:
		for answer: FramehubAnswer in _asked.keys():
			if answer.finished:
				_take(answer, _asked[answer])
				_asked.erase(answer)
		while _asked.size() < _MOST_ASKED and (_waiting.size() >= _PER_ASK or (all and not _waiting.is_empty())):
			if not _upload._client.is_live():
				return
			var part: Array[PackedByteArray] = _waiting.slice(0, _PER_ASK)
			_waiting = _waiting.slice(_PER_ASK)
			var marks: String = ",".join(part.map(func(_h: PackedByteArray) -> String: return "?"))
			var statement: String = "SELECT hash FROM %s WHERE hash IN (%s)" % [_table, marks]
			_asked[_upload._client.sql(statement, part)] = part

	func _take(answer: FramehubAnswer, part: Array[PackedByteArray]) -> void:
		if answer.code == "unavailable":
			_waiting.append_array(part)
		elif not answer.code.is_empty():
			_upload.fail("the hub can't be asked what it has (%s): %s" % [answer.code, answer.text])
		else:
			var there: Dictionary[PackedByteArray, bool] = {}
			for row: Array in answer.rows:
				there[row[0]] = true
			for one: PackedByteArray in part:
				if not there.has(one):
					missing.append(one)

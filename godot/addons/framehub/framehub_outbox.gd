class_name FramehubOutbox
extends RefCounted
## Transactions on their way: kept by name, sent in order, sent again after a reconnect, each applied once.

## Emitted when a transaction has its outcome, which it holds.
signal settled(tx: FramehubTx)

## So many transactions without an outcome are taken at most.
var max_pending: int = 1024
## The last number that was used.
var last_seq: int = 0
## Whether a hub has ever told this device an outcome.
var known: bool = false
## Where transactions are kept that survive the game; null where none do.
var journal: FramehubJournal = null

var _pending: Array[FramehubTx] = []  # in the order of their numbers
var _by_seq: Dictionary[int, FramehubTx] = {}
var _under_way: int = 0  # so many at the front were sent in this session
var _done: Array[FramehubTx] = []  # have an outcome that was not told yet
var _left: Array[FramehubTx] = []  # are left to the next run of the game, which was not told yet
var _schema: FramehubSchema = null
var _most_under_way: int = 64
var _most_bytes: int = 0
var _send: Callable = Callable()  # invalid: there is no session


## How many bytes of a message the hub takes; 0 where it has not told.
func most_bytes() -> int:
	return _most_bytes


## How many transactions have no outcome.
func size() -> int:
	return _pending.size()


## Takes what an earlier run of the game left.
func resume(from: FramehubJournal) -> void:
	journal = from
	known = from.known
	last_seq = from.reserved
	for tx: FramehubTx in from.found:
		_pending.append(tx)
		_by_seq[tx.seq] = tx
		last_seq = maxi(last_seq, tx.seq)
	from.found = []


## Takes a transaction to be sent.
func add(tx: FramehubTx) -> Error:
	if tx.seq != 0 or tx.finished:
		return ERR_ALREADY_IN_USE
	if _pending.size() >= max_pending:
		return ERR_BUSY
	tx.seq = last_seq + 1
	var kept: Error = OK
	if journal != null:
		kept = journal.reserve(tx.seq)
		if kept == OK and tx.durable:
			kept = journal.keep(tx)
	if kept != OK:
		tx.seq = 0
		return kept
	last_seq = tx.seq
	_pending.append(tx)
	_by_seq[tx.seq] = tx
	flush()
	return OK


## Begins a session: settles what the hub has settled, and sends the rest.
func begin(hello: FramehubHello, new_epoch: bool, send: Callable) -> void:
	_schema = hello.schema
	_most_under_way = int(hello.limits.get("unsettled", 64.0))
	_most_bytes = int(hello.limits.get("message", 0.0))
	var forgotten: bool = hello.settled < 0 and known
	known = hello.settled >= 0
	var refused: Dictionary[int, FramehubMessage.Refusal] = {}
	for refusal: FramehubMessage.Refusal in hello.rejected:
		refused[refusal.seq] = refusal
	for tx: FramehubTx in _pending.duplicate():
		if not tx.ever_sent:
			continue
		if forgotten:
			_refuse(tx, "stale", "the hub has not seen this device for long, and does not know what it had written")
		elif tx.seq <= hello.settled:
			_settle(tx, hello.version, refused.get(tx.seq))
		elif new_epoch and tx.base >= 0:
			_refuse(tx, "stale", "the database was restored from a backup since")
	_renumber(hello.settled)
	_under_way = 0
	_send = send
	flush()


# Numbers that the hub has settled, and that this device never sent, are from a life of it that was lost.
func _renumber(past: int) -> void:
	if last_seq < past:
		last_seq = past
	for tx: FramehubTx in _pending:
		if not tx.ever_sent and tx.seq <= past:
			_by_seq.erase(tx.seq)
			if journal != null:
				journal.settle(tx.seq)
			last_seq += 1
			tx.seq = last_seq
			_by_seq[tx.seq] = tx
			if journal != null and tx.durable:
				journal.keep(tx)
	if journal != null:
		journal.reserve(last_seq)
	_pending.sort_custom(func(a: FramehubTx, b: FramehubTx) -> bool: return a.seq < b.seq)


## The session is over: what has no outcome is kept.
func end() -> void:
	_send = Callable()
	_under_way = 0


## Another schema, or other rights, for what is sent from now on.
func describe(schema: FramehubSchema) -> void:
	_schema = schema


## Sends as much as may be under way.
func flush() -> void:
	while _send.is_valid() and _under_way < mini(_pending.size(), _most_under_way):
		var tx: FramehubTx = _pending[_under_way]
		var ops: PackedByteArray = tx.encode(_schema)
		if not tx.code.is_empty():
			_refuse(tx, tx.code, tx.text)
			continue
		var message: PackedByteArray = FramehubRequest.write(tx.seq, tx.base, _schema.version, tx.size(), ops)
		if _most_bytes > 0 and message.size() > _most_bytes:
			_refuse(tx, "too_large", "it has %d bytes, the hub takes %d" % [message.size(), _most_bytes])
			continue
		tx.ever_sent = true
		_under_way += 1
		_send.call(message)


## Whether all transactions up to a number have been sent in this session, or have their outcome.
func sent_to(seq: int) -> bool:
	return _under_way >= _pending.size() or _pending[_under_way].seq > seq


## The hub tells outcomes. A number that is not known here is of a life of the device that was lost.
func settle(m: FramehubOutcomes) -> void:
	known = true
	for seq: int in m.committed:
		if _by_seq.has(seq):
			_settle(_by_seq[seq], m.version, null)
	for refusal: FramehubMessage.Refusal in m.rejected:
		if _by_seq.has(refusal.seq):
			_settle(_by_seq[refusal.seq], m.version, refusal)
	flush()


func _settle(tx: FramehubTx, version: int, refusal: FramehubMessage.Refusal) -> void:
	if refusal != null:
		tx.refused_op = refusal.op
		tx.refused_row = refusal.row
		_refuse(tx, refusal.code, refusal.text)
		return
	tx.version = version
	_drop(tx)


func _refuse(tx: FramehubTx, code: String, text: String) -> void:
	tx.code = code
	tx.text = text
	_drop(tx)


func _drop(tx: FramehubTx) -> void:
	var place: int = _pending.find(tx)
	_pending.remove_at(place)
	if place < _under_way:
		_under_way -= 1
	_by_seq.erase(tx.seq)
	if journal != null:
		journal.settle(tx.seq)
	_done.append(tx)


## Tells outcomes that have come. It is called apart from what brings them, so that nobody hears of one
## within a call of their own.
func tell() -> void:
	while not _done.is_empty():
		var tx: FramehubTx = _done.pop_front()
		if tx.code.is_empty():
			tx.finish(tx.version)
		else:
			tx.refuse(tx.code, tx.text)
		settled.emit(tx)
	while not _left.is_empty():
		(_left.pop_front() as FramehubTx).refuse("unavailable", "it is kept, and sent when the game starts again")


## There will be no session: what is not kept on disk is refused, with words. With [param closed], the rest
## is left to the next run of the game, too, and has no outcome in this one, which those are told who wait for it.
func abandon(words: String, closed: bool) -> void:
	_send = Callable()
	_under_way = 0
	for tx: FramehubTx in _pending.duplicate():
		if journal == null or not tx.durable:
			_refuse(tx, "unavailable", words)
	if closed:
		_left.append_array(_pending)
		_pending.clear()
		_by_seq.clear()
		journal = null

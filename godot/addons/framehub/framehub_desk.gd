class_name FramehubDesk
extends RefCounted
## What is asked of the hub beside the copy and the transactions: events, the last will, SQL.

const _MOST_EVENTS: int = 256  # that wait for transactions before them

var _outbox: FramehubOutbox = null
var _schema: FramehubSchema = null
var _send: Callable = Callable()
var _last_id: int = 0
var _events: Array[PackedByteArray] = []
var _behind: PackedInt64Array = []  # of each event: the last number before it
var _statements: Dictionary[int, FramehubAnswer] = {}
var _will: FramehubTx = null  # the last one that the hub has taken: it stays where the next one is refused
var _next_will: FramehubTx = null  # is asked for
var _next_answer: FramehubAnswer = null  # what the hub says to it; null where none is asked for
var _wills: Dictionary[int, FramehubTx] = {}  # said in this session, without an answer


func _init(outbox: FramehubOutbox) -> void:
	_outbox = outbox


## Begins a session. The last will is set again, as the hub may have run it.
func begin(schema: FramehubSchema, send: Callable) -> void:
	_schema = schema
	_send = send
	if _will != null:
		var words: String = _say_will(_will)
		if not words.is_empty():
			_warn(words)
	_say_next()


## The session is over: events are lost, and nobody knows what became of statements.
func end() -> void:
	_send = Callable()
	_events.clear()
	_behind.clear()
	_wills.clear()
	var lost: Array = _statements.values()
	_statements.clear()
	for answer_of_one: FramehubAnswer in lost:
		answer_of_one.refuse("unavailable", "the connection was lost: nobody knows whether it was run")


## Gives up a last will that the hub has not answered, with words.
func abandon(words: String) -> void:
	_refuse_next("unavailable", words)


func _refuse_next(code: String, words: String) -> void:
	var asked: FramehubAnswer = _next_answer
	_next_answer = null
	if asked != null:
		asked.refuse(code, words)


## Sends an event behind the transactions that were written before it.
func send_event(message: PackedByteArray) -> Error:
	if message.is_empty():
		return ERR_INVALID_PARAMETER
	if not _send.is_valid():
		return ERR_UNAVAILABLE
	if _events.size() >= _MOST_EVENTS:
		return ERR_BUSY
	_events.append(message)
	_behind.append(_outbox.last_seq)
	flush_events()
	return OK


## Sends the events whose turn it is.
func flush_events() -> void:
	var sent: int = 0
	while sent < _events.size() and _send.is_valid() and _outbox.sent_to(_behind[sent]):
		_send.call(_events[sent])
		sent += 1
	_events = _events.slice(sent)
	_behind = _behind.slice(sent)


## Sets the last will; null clears it.
func set_will(tx: FramehubTx) -> FramehubAnswer:
	abandon("another last will was set")
	var asked: FramehubAnswer = FramehubAnswer.new()
	_next_will = tx
	_next_answer = asked
	_say_next()
	return asked


func _say_next() -> void:
	if _next_answer == null or not _send.is_valid():
		return
	var words: String = _say_will(_next_will)
	if not words.is_empty():
		_refuse_next(_next_will.code, words)


# Returns words where it can't be said in the hub's schema.
func _say_will(tx: FramehubTx) -> String:
	var ops: PackedByteArray = PackedByteArray()
	if tx != null:
		tx.code = ""
		ops = tx.encode(_schema)
		if not tx.code.is_empty():
			return tx.text
	_last_id += 1
	_wills[_last_id] = tx
	_send.call(FramehubRequest.will(_last_id, _schema.version, tx.size() if tx != null else -1, ops))
	return ""


func _answer_will(m: FramehubReply) -> void:
	if not _wills.has(m.id):
		return
	var tx: FramehubTx = _wills[m.id]
	_wills.erase(m.id)
	var next: bool = _next_answer != null and _wills.is_empty()  # else it is of the one before, or was replaced since
	if m.refusal == null:
		_will = tx
		if next:
			var asked: FramehubAnswer = _next_answer
			_next_answer = null
			asked.finish(m.version)
	elif next:
		_refuse_next(m.refusal.code, m.refusal.text)
	elif tx != null and tx == _will:
		_warn(m.refusal.text)


func _warn(words: String) -> void:
	push_warning("FramehubClient: the hub does not take the last will of the connection before: %s" % words)


## Runs a statement.
func sql(statement: String, params: Array) -> FramehubAnswer:
	var asked: FramehubAnswer = FramehubAnswer.new()
	if not _send.is_valid():
		asked.refuse("unavailable", "there is no connection")
		return asked
	_last_id += 1
	var message: PackedByteArray = FramehubRequest.sql(_last_id, statement, params)
	if message.is_empty():
		asked.refuse("type", "a parameter is no value of SQL's")
		return asked
	_statements[_last_id] = asked
	_send.call(message)
	return asked


## Takes an answer of the hub.
func answer(m: FramehubReply) -> void:
	if m.type == FramehubMessage.Type.WILL:
		_answer_will(m)
		return
	if not _statements.has(m.id):
		return
	var asked: FramehubAnswer = _statements[m.id]
	_statements.erase(m.id)
	if m.refusal != null:
		asked.refuse(m.refusal.code, m.refusal.text)
		return
	asked.columns = m.columns
	asked.rows = m.rows
	asked.finish(m.version)

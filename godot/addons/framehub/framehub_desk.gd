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
var _will: FramehubTx = null
var _will_id: int = 0
var _will_answer: FramehubAnswer = null


func _init(outbox: FramehubOutbox) -> void:
	_outbox = outbox


## Begins a session. The last will is set again, as the hub may have run it.
func begin(schema: FramehubSchema, send: Callable) -> void:
	_schema = schema
	_send = send
	_say_will()


## The session is over: events are lost, and nobody knows what became of statements.
func end() -> void:
	_send = Callable()
	_events.clear()
	_behind.clear()
	var lost: Array = _statements.values()
	_statements.clear()
	for answer_of_one: FramehubAnswer in lost:
		answer_of_one.refuse("unavailable", "the connection was lost: nobody knows whether it was run")


## Gives up the last will's answer, with words.
func abandon(words: String) -> void:
	if _will_answer != null:
		_will_answer.refuse("unavailable", words)


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
	_will = tx
	_will_answer = FramehubAnswer.new()
	_will_id = 0
	_say_will()
	return _will_answer


func _say_will() -> void:
	if not _send.is_valid() or _will_answer == null:
		return
	var ops: PackedByteArray = PackedByteArray()
	if _will != null:
		_will.code = ""
		ops = _will.encode(_schema)
		if not _will.code.is_empty():
			_will_answer.refuse(_will.code, _will.text)
			return
	_last_id += 1
	_will_id = _last_id
	_send.call(FramehubRequest.will(_will_id, _schema.version, _will.size() if _will != null else -1, ops))


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
	var asked: FramehubAnswer = null
	if m.type == FramehubMessage.Type.SQL:
		asked = _statements.get(m.id)
		_statements.erase(m.id)
	elif m.id == _will_id:
		asked = _will_answer
		if m.refusal != null:
			_will_answer = null  # it is not set again: the one before stays
	if asked == null:
		return
	if m.refusal != null:
		asked.refuse(m.refusal.code, m.refusal.text)
		return
	asked.columns = m.columns
	asked.rows = m.rows
	asked.finish(m.version)

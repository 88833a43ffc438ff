class_name FramehubPieces
extends RefCounted
## Reads values that are too large for a message, in pieces.

const _ATTEMPTS: int = 5
const _MOST: int = 1_000_000_000  # bytes: SQLite's longest value


## One value that is being read.
class Reading:
	extends RefCounted
	var answer: FramehubAnswer = FramehubAnswer.new()
	var table: String = ""
	var key: Variant = null
	var column: String = ""
	var final: bool = false  # the value never changes
	var bytes: PackedByteArray = []
	var size: int = -1
	var first: int = 0  # the version of the first piece
	var last: int = 0
	var attempts: int = 0


var _copy: FramehubCopy = null
var _asked: Dictionary[int, Reading] = {}
var _whole: Array[Reading] = []  # wait for the copy to reach their version
var _last_id: int = 0
var _send: Callable = Callable()


func _init(copy: FramehubCopy) -> void:
	_copy = copy


## Begins a session.
func begin(send: Callable) -> void:
	_send = send


## The session is over: what was being read is refused.
func end() -> void:
	_send = Callable()
	var over: Array = _asked.values() + _whole
	_asked.clear()
	_whole.clear()
	for reading: Reading in over:
		reading.answer.refuse("unavailable", "the connection was lost")


## Reads a TEXT or BLOB as it was at one moment. The answer's value is a String or a PackedByteArray. Where the
## row is not subscribed to, a value of several pieces can only be read if it is [param final]: it never changes.
func read(table: String, key: Variant, column: String, final: bool = false) -> FramehubAnswer:
	var reading: Reading = Reading.new()
	reading.final = final
	reading.table = table
	reading.key = key
	reading.column = column
	_ask(reading)
	return reading.answer


func _ask(reading: Reading) -> void:
	var table: FramehubTable = _copy.tables.get(reading.table)
	var column: int = table.shape.columns.find(reading.column) if table != null else -1
	if not _send.is_valid():
		reading.answer.refuse("unavailable", "there is no connection")
	elif column < 0:
		reading.answer.refuse(
			"unknown_column", "there is no table %s with a column %s" % [reading.table, reading.column]
		)
	else:
		_last_id += 1
		_asked[_last_id] = reading
		_send.call(FramehubRequest.piece(_last_id, table.shape.number, reading.key, column, reading.bytes.size()))


## Takes an answer of the hub.
func answer(m: FramehubReply) -> void:
	if not _asked.has(m.id):
		return
	var reading: Reading = _asked[m.id]
	_asked.erase(m.id)
	if m.refusal != null:
		reading.answer.refuse(m.refusal.code, m.refusal.text)
	elif m.size > _MOST:
		reading.answer.refuse("too_large", "%s.%s has %d bytes" % [reading.table, reading.column, m.size])
	elif reading.size >= 0 and reading.size != m.size:
		_again(reading)
	else:
		_append(reading, m)


func _append(reading: Reading, m: FramehubReply) -> void:
	if reading.size < 0:
		reading.size = m.size
		reading.first = m.version
	reading.last = m.version
	reading.bytes.append_array(m.bytes)
	if reading.bytes.size() == reading.size:
		_whole.append(reading)
		look()
	elif m.bytes.is_empty() or reading.bytes.size() > reading.size:
		_again(reading)
	else:
		_ask(reading)


func _again(reading: Reading) -> void:
	reading.bytes = PackedByteArray()
	reading.size = -1
	reading.attempts += 1
	if reading.attempts < _ATTEMPTS:
		_ask(reading)
	else:
		reading.answer.refuse("conflict", "%s.%s changed each time it was read" % [reading.table, reading.column])


## The copy has gone on. Pieces are of the version at which each was read: they are of one value where the
## copy, once it is as new as the last, has seen no change of the row since the first.
func look() -> void:
	if _whole.is_empty():
		return
	var waiting: Array[Reading] = _whole
	_whole = []
	for reading: Reading in waiting:
		if reading.first != reading.last and not reading.final and not _copy.complete_to(reading.last):
			_whole.append(reading)
		elif reading.first == reading.last or reading.final or _unchanged(reading):
			_give(reading)
		else:
			_again(reading)


func _unchanged(reading: Reading) -> bool:
	var table: FramehubTable = _copy.tables.get(reading.table)
	var row: int = table.row_of(reading.key) if table != null else -1
	return row >= 0 and table.version_of(row) <= reading.first


func _give(reading: Reading) -> void:
	var table: FramehubTable = _copy.tables.get(reading.table)
	var column: int = table.shape.columns.find(reading.column) if table != null else -1
	var text: bool = column >= 0 and table.shape.types[column] == "TEXT"
	reading.answer.value = FramehubText.read(reading.bytes) if text else reading.bytes
	reading.answer.finish(reading.last)

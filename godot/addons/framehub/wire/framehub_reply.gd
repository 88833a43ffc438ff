class_name FramehubReply
extends FramehubMessage
## What answers a question, or comes seldom: the schema, the clock, a goodbye, an event, a tick, the end of a
## snapshot, and the answers to SQL, to a will and to a question for a piece.

const _MOST_EVENT_VALUES: int = 64

## Of a message about the schema.
var schema: FramehubSchema
## The sender of an event, or the holder of the clock.
var device: PackedByteArray
## A tick's answer tells instead who holds the clock.
var tells_holder: bool
## What comes back from a question about the clock.
var echo: Variant
## Of a goodbye.
var code: int
## Of a goodbye: why.
var text: String
## In milliseconds, or -1.
var retry: int = -1
## The size of the value that a piece is of, in bytes.
var size: int
## The part of the value.
var bytes: PackedByteArray
## Of an event; of a refused event too, where it is known.
var name: String
## Of an event: a value, or an Array of them.
var value: Variant
## Of an answer to SQL: the columns' names.
var columns: PackedStringArray
## Of an answer to SQL: an Array of values a row.
var rows: Array[Array]


func _read_body(r: FramehubCbor) -> void:
	match type:
		Type.SCHEMA:
			_left -= 1
			schema = FramehubSchema.read(r)
		Type.CLOCK:
			_left -= 1
			echo = r.whole_value("what a clock message echoes")
			time = _uint(r, "the hub's time")
			version = _uint(r, "a clock message's version")
		Type.GOODBYE:
			code = _uint(r, "a goodbye's code")
			text = _text(r, "a goodbye's text")
			retry = r.uint("a goodbye's retry time") if _given(r) else -1
		Type.EVENT:
			_read_event(r)
		Type.TICK:
			_read_tick(r)
		Type.SNAPSHOT_END, Type.SQL, Type.PIECE, Type.WILL:
			_read_answer(r)
		_:
			r.fail("the hub sends no messages of type %d" % type)


# What follows a number, or the id of a question: null, a code and words where it was refused.
func _read_refusal(r: FramehubCbor) -> void:
	refusal = Refusal.new()
	refusal.code = _text(r, "a refusal's code")
	refusal.text = _text(r, "a refusal's text")


func _read_answer(r: FramehubCbor) -> void:
	id = _uint(r, "the id of an answer")
	if not _given(r):
		_read_refusal(r)
		return
	version = r.uint("the version of an answer")
	match type:
		Type.PIECE:
			size = _uint(r, "the size of a value")
			_left -= 1
			bytes = r.bytes("a part of a value")
		Type.SQL:
			_read_sql(r)


func _read_sql(r: FramehubCbor) -> void:
	if _given(r):
		for i: int in r.array("the columns of an answer"):
			if not r.error.is_empty():
				return
			columns.append(r.text("a column of an answer"))
	if not _given(r):
		return
	for i: int in r.array("the rows of an answer"):
		var count: int = r.array("a row of an answer")
		if count != columns.size():
			r.fail("a row of an answer has %d values for %d columns" % [count, columns.size()])
		if not r.error.is_empty():
			return
		rows.append(_read_values(r, count, "a value of an answer"))


func _read_tick(r: FramehubCbor) -> void:
	if not _given(r):
		tells_holder = true
		if _given(r):
			device = _uuid(r, "the holder of the clock")
		return
	id = r.uint("a tick's number")
	if _given(r):
		version = r.uint("a tick's version")
	else:
		_read_refusal(r)


func _read_event(r: FramehubCbor) -> void:
	if not _given(r):
		if _given(r):
			r.fail("an event with a version comes from a device")
			return
		_read_refusal(r)
		name = r.text("an event's name") if _given(r) else ""
		return
	device = r.bytes("the sender of an event")
	if device.size() != DEVICE_SIZE:
		r.fail("the sender of an event is named by %d bytes, not %d" % [DEVICE_SIZE, device.size()])
	version = _uint(r, "an event's version")
	name = _text(r, "an event's name")
	if not _given(r):
		return
	if not r.next_is(FramehubCbor.Major.ARRAY):
		value = r.whole_value("an event's value")
		return
	var count: int = r.array("an event's values")
	if count > _MOST_EVENT_VALUES:
		r.fail("an event holds %d values at most, this one has %d" % [_MOST_EVENT_VALUES, count])
		return
	value = _read_values(r, count, "an event's value")

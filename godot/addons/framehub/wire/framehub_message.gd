class_name FramehubMessage
extends RefCounted
## A message of the hub. Which members it has depends on its [member type]; the others have their defaults.

enum Type {
	HELLO = 0,
	SCHEMA = 1,
	SNAPSHOT = 2,
	SNAPSHOT_END = 3,
	FRAME = 4,
	WRITE = 5,
	SETTLED = 6,
	TICK = 7,
	CLOCK = 8,
	PACKED = 9,
	SUBSCRIBE = 10,
	SQL = 11,
	GOODBYE = 12,
	PIECE = 13,
	WILL = 14,
	EVENT = 15,
}

## How many bytes a device's id has.
const DEVICE_SIZE: int = 16
const _MOST_EVENT_VALUES: int = 64
const _MOST_CAPABILITIES: int = 256


## Why something was refused. [member seq] is 0 where it has no number; [member op] and [member row] are
## places, -1 where they are not told.
class Refusal:
	extends RefCounted
	var seq: int = 0
	var code: String = ""
	var text: String = ""
	var op: int = -1
	var row: int = -1


## A transaction that changed rows of a table, as servers are told. The device of what the hub itself or a
## program with SQL wrote is 16 zero bytes.
class Author:
	extends RefCounted
	var device: PackedByteArray = []
	var seq: int = 0
	var table: int = 0
	## One value a key, or an Array of them where the key has several columns.
	var keys: Array = []


# One is made for each message: what begins as its type's default is not set.
var type: Type = Type.HELLO
## What is wrong with the message, in words; empty where nothing is.
var error: String
## Of a snapshot, a change of subscriptions, a statement, a will or a piece; the number of a tick.
var id: int
var version: int
## Why it was refused; null where it was not.
var refusal: Refusal

var schema: FramehubSchema
var session: PackedByteArray
## Of a hello the device's own id, of an event its sender, of a change of the clock its holder.
var device: PackedByteArray
var epoch: PackedByteArray
## The last number that has an outcome, or -1.
var settled: int = -1
var rejected: Array[Refusal]
var resumed: bool
var limits: Dictionary[String, float]
var capabilities: PackedStringArray
var frame_hz: float
## The hub's clock, in microseconds since 1970.
var time: int

## Blocks of a snapshot, or what a frame changed.
var blocks: Array[FramehubBlock]
var removed: Array[FramehubBlock]
var previous: int
var more: bool
## The places of the subscriptions that are complete; null: all.
var complete: Variant
var authors: Array[Author]

var committed: PackedInt64Array
## A tick's answer tells instead who holds the clock.
var tells_holder: bool
## What comes back from a question about the clock.
var echo: Variant
var code: int
var text: String
## In milliseconds, or -1.
var retry: int = -1
## The size of the value that a piece is of, in bytes.
var size: int
var bytes: PackedByteArray
## Of an event; of a refused event too, where it is known.
var name: String
var value: Variant
var columns: PackedStringArray
var rows: Array[Array]

# Elements of the message's array that have not been read.
var _left: int = 0


## Reads a message, [param most] bytes of it at most when it is unpacked. A message that breaks the protocol
## has words in [member error].
static func read(message: PackedByteArray, most: int = 1 << 26, packed: bool = true) -> FramehubMessage:
	var m: FramehubMessage = FramehubMessage.new()
	var r: FramehubCbor = FramehubCbor.new(message)
	if message.size() > most:
		r.fail("the message has %d bytes, %d is the most" % [message.size(), most])
	m._left = r.array("a message") - 1
	var kind: int = r.uint("the message type")
	if r.error.is_empty() and kind == Type.PACKED and packed:
		return _read_packed(r, most)
	m.type = kind as Type
	m._read_body(r)
	skip_rest(r, m._left)
	if r.error.is_empty() and r.left() > 0:
		r.fail("there are bytes behind the message")
	m.error = r.error
	return m


static func _read_packed(r: FramehubCbor, most: int) -> FramehubMessage:
	var unpacked_size: int = r.uint("the size of a packed message", most)
	var inner: PackedByteArray = r.bytes("a packed message")
	if r.error.is_empty() and unpacked_size > 0:
		inner = inner.decompress(unpacked_size, FileAccess.COMPRESSION_ZSTD)
	if inner.size() != unpacked_size or unpacked_size == 0:
		r.fail("a packed message is not what it says")
	if r.error.is_empty():
		return read(inner, most, false)
	var m: FramehubMessage = FramehubMessage.new()
	m.type = Type.PACKED
	m.error = r.error
	return m


## Reads past elements of a later version.
static func skip_rest(r: FramehubCbor, count: int) -> void:
	if count < 0:
		r.fail("an array of a message is too short")
	for i: int in count:
		if not r.error.is_empty():
			return
		r.skip()


# Whether another element comes and is not null. What is left out at an array's end is null.
func _given(r: FramehubCbor) -> bool:
	if _left <= 0:
		return false
	_left -= 1
	return not r.null_next()


func _uint(r: FramehubCbor, what: String) -> int:
	_left -= 1
	return r.uint(what)


func _text(r: FramehubCbor, what: String) -> String:
	_left -= 1
	return r.text(what)


func _uuid(r: FramehubCbor, what: String) -> PackedByteArray:
	var read_bytes: PackedByteArray = r.bytes(what)
	if read_bytes.size() != DEVICE_SIZE:
		r.fail("%s has %d bytes, a UUID has %d" % [what, read_bytes.size(), DEVICE_SIZE])
	return read_bytes


func _read_body(r: FramehubCbor) -> void:
	match type:
		Type.HELLO:
			_read_hello(r)
		Type.SCHEMA:
			_left -= 1
			schema = FramehubSchema.read(r)
		Type.SNAPSHOT:
			id = _uint(r, "a snapshot's id")
			version = _uint(r, "a snapshot's version")
			while _left > 0 and r.error.is_empty():
				_left -= 1
				blocks.append(FramehubBlock.read(r))
		Type.FRAME:
			_read_frame(r)
		Type.SETTLED:
			_read_settled(r)
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


func _read_hello(r: FramehubCbor) -> void:
	_left -= 1
	if r.head() != FramehubCbor.Major.MAP:
		r.fail("a hello must be a map")
		return
	var seen: Dictionary[String, bool] = {}
	for i: int in r.bounded("a hello"):
		var key: String = r.text("a key of the hello")
		if seen.has(key):
			r.fail("the hello has the key %s twice" % key)
		if not r.error.is_empty():
			return
		seen[key] = true
		if not r.null_next():
			_read_hello_value(r, key)
	if schema == null:
		r.fail("hello: the schema is missing")
	if device.size() != DEVICE_SIZE:
		r.fail("hello: a device is a UUID of %d bytes, not %d" % [DEVICE_SIZE, device.size()])
	if epoch.is_empty():
		r.fail("hello: the epoch is missing")


func _read_hello_value(r: FramehubCbor, key: String) -> void:
	match key:
		"session":
			session = r.bytes("a session")
		"device":
			device = r.bytes("a device")
		"epoch":
			epoch = r.bytes("an epoch")
		"version":
			version = r.uint("the hub's version")
		"settled":
			settled = r.uint("the last number that has settled")
		"rejected":
			_read_refusals(r)
		"resumed":
			resumed = r.boolean("whether the hub resumes")
		"schema":
			schema = FramehubSchema.read(r)
		"limits":
			_read_limits(r)
		"capabilities":
			for i: int in mini(r.array("the hub's capabilities"), _MOST_CAPABILITIES):
				capabilities.append(r.text("a capability"))
		"frame_hz":
			frame_hz = r.number("the hub's frames a second")
		"time":
			time = r.uint("the hub's time")
		_:
			r.skip()


func _read_limits(r: FramehubCbor) -> void:
	if r.head() != FramehubCbor.Major.MAP:
		r.fail("the hub's limits must be a map")
		return
	for i: int in r.bounded("the hub's limits"):
		var key: String = r.text("the name of a limit")
		if not r.error.is_empty():
			return
		if key in ["message", "rows", "unsettled", "rate"]:
			limits[key] = r.number("the limit %s" % key)
		else:
			r.skip()


func _read_frame(r: FramehubCbor) -> void:
	version = _uint(r, "a frame's version")
	previous = _uint(r, "the version before a frame")
	time = _uint(r, "a frame's time")
	if _given(r):
		_read_blocks(r, blocks)
	if _given(r):
		_read_blocks(r, removed)
	if _given(r):
		more = r.boolean("more")
	if _given(r):
		complete = _read_places(r)
	if _given(r):
		for i: int in r.array("the list of authors"):
			if not r.error.is_empty():
				return
			authors.append(_read_author(r))


func _read_blocks(r: FramehubCbor, list: Array[FramehubBlock]) -> void:
	for i: int in r.array("a list of blocks"):
		if not r.error.is_empty():
			return
		list.append(FramehubBlock.read(r))


func _read_places(r: FramehubCbor) -> PackedInt32Array:
	var places: PackedInt32Array = []
	for i: int in r.array("the subscriptions that are complete"):
		if not r.error.is_empty():
			return places
		places.append(r.uint("the place of a subscription", FramehubBlock.MAX_ROWS))
	return places


func _read_author(r: FramehubCbor) -> Author:
	var author: Author = Author.new()
	var left: int = r.array("an author")
	author.device = _uuid(r, "an author's device")
	author.seq = r.uint("the number of an author's transaction")
	author.table = r.uint("an author's table", FramehubBlock.MAX_TABLE)
	author.keys = _read_keys(r)
	skip_rest(r, left - 4)
	return author


# Keys of one column come as a column does, those of several as an array of arrays of values.
func _read_keys(r: FramehubCbor) -> Array:
	if not r.next_is_array_of_arrays():
		var keys: Variant = FramehubColumn.read(r, "an author's keys", -1)
		if keys is Array and (keys as Array).any(func(k: Variant) -> bool: return k is StringName):
			r.fail("an author's key is undefined, which is not a value")
		return Array(keys)
	var list: Array = []
	var width: int = -1
	for i: int in r.array("an author's keys"):
		var key: Array = _read_values(r, r.array("a key"), "a key")
		if key.is_empty() or (width >= 0 and key.size() != width):
			r.fail("a key is empty, or longer than another")
		if not r.error.is_empty():
			return list
		width = key.size()
		list.append(key)
	return list


func _read_values(r: FramehubCbor, count: int, what: String) -> Array:
	var list: Array = []
	for i: int in count:
		if not r.error.is_empty():
			return list
		list.append(r.whole_value(what))
	return list


func _read_settled(r: FramehubCbor) -> void:
	version = _uint(r, "the version of an outcome")
	_left -= 1
	for i: int in r.array("the numbers that are committed"):
		if not r.error.is_empty():
			return
		committed.append(r.uint("a transaction's number"))
	if _given(r):
		_read_refusals(r)


func _read_refusals(r: FramehubCbor) -> void:
	for i: int in r.array("a list of refusals"):
		var refused: Refusal = Refusal.new()
		var left: int = r.array("a refusal")
		refused.seq = r.uint("a transaction's number")
		refused.code = r.text("a refusal's code")
		refused.text = r.text("a refusal's text")
		left -= 3
		if left > 0:
			refused.op = -1 if r.null_next() else r.uint("the place of an op", FramehubBlock.MAX_ROWS)
		if left > 1:
			refused.row = -1 if r.null_next() else r.uint("the place of a row", FramehubBlock.MAX_ROWS)
		skip_rest(r, left - 2 if left > 2 else mini(left, 0))
		if not r.error.is_empty():
			return
		rejected.append(refused)


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

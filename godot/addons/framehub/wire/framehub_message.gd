class_name FramehubMessage
extends RefCounted
## A message of the hub: what all have. What else there is stands in the class of its [member type]:
## [FramehubFrame], [FramehubHello], [FramehubOutcomes], or [FramehubReply].

## What a message is, by the protocol's numbers.
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


## Why something was refused. [member seq] is 0 where it has no number; [member op] and [member row] are
## places, -1 where they are not told.
class Refusal:
	extends RefCounted
	## The transaction's number.
	var seq: int = 0
	## Why, as a word of the protocol.
	var code: String = ""
	## The same in words for people.
	var text: String = ""
	## Which op.
	var op: int = -1
	## Which of its rows.
	var row: int = -1


const _MOST_RECENT: int = 4
const _MOST_NOTED: int = 1 << 16  # bytes

# Frames that were read last, and their bytes. The hub encodes a frame once for all
# who see the same: several clients in one game (bots, a split screen) read it once, too. Nobody changes what
# was read.
static var _recent_bytes: Array[PackedByteArray] = []
static var _recent: Array[FramehubMessage] = []

# One is made for each message: what begins as its type's default is not set.
## What it is.
var type: Type = Type.HELLO
## What is wrong with the message, in words; empty where nothing is.
var error: String
## Of a snapshot, a change of subscriptions, a statement, a will or a piece; the number of a tick.
var id: int
## The version of the database that it is of; 0 where it is of none.
var version: int
## A time of the hub's clock, in microseconds since 1970.
var time: int
## Why it was refused; null where it was not.
var refusal: Refusal

# Elements of the message's array that have not been read.
var _left: int = 0


## Reads a message, [param most] bytes of it at most when it is unpacked. A message that breaks the protocol
## has words in [member error].
static func read(message: PackedByteArray, most: int = 1 << 26, packed: bool = true) -> FramehubMessage:
	var place: int = _recent_bytes.find(message)
	if place >= 0 and message.size() <= most:
		return _recent[place]
	var r: FramehubCbor = FramehubCbor.new(message)
	if message.size() > most:
		r.fail("the message has %d bytes, %d is the most" % [message.size(), most])
	var left: int = r.array("a message") - 1
	var kind: int = r.uint("the message type")
	if r.error.is_empty() and kind == Type.PACKED and packed:
		return _read_packed(r, most)
	var m: FramehubMessage = _of_type(kind)
	m.type = kind as Type
	m._left = left
	m._read_body(r)
	skip_rest(r, m._left)
	if r.error.is_empty() and r.left() > 0:
		r.fail("there are bytes behind the message")
	m.error = r.error
	if kind == Type.FRAME and m.error.is_empty():
		_note(message, m as FramehubFrame)
	return m


# What servers are told, who wrote what, they may go on to change.
static func _note(message: PackedByteArray, frame: FramehubFrame) -> void:
	if frame.authors.is_empty() and message.size() <= _MOST_NOTED:
		_recent_bytes.push_front(message)
		_recent.push_front(frame)
		if _recent.size() > _MOST_RECENT:
			_recent_bytes.pop_back()
			_recent.pop_back()


static func _of_type(kind: int) -> FramehubMessage:
	match kind:
		Type.FRAME, Type.SNAPSHOT:
			return FramehubFrame.new()
		Type.SETTLED:
			return FramehubOutcomes.new()
		Type.HELLO:
			return FramehubHello.new()
	return FramehubReply.new()


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


# What its class reads of it.
func _read_body(_r: FramehubCbor) -> void:
	pass


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


static func _uuid(r: FramehubCbor, what: String) -> PackedByteArray:
	var read_bytes: PackedByteArray = r.bytes(what)
	if read_bytes.size() != DEVICE_SIZE:
		r.fail("%s has %d bytes, a UUID has %d" % [what, read_bytes.size(), DEVICE_SIZE])
	return read_bytes


static func _read_values(r: FramehubCbor, count: int, what: String) -> Array:
	var list: Array = []
	for i: int in count:
		if not r.error.is_empty():
			return list
		list.append(r.whole_value(what))
	return list


static func _read_refusals(r: FramehubCbor) -> Array[Refusal]:
	var list: Array[Refusal] = []
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
			return list
		list.append(refused)
	return list

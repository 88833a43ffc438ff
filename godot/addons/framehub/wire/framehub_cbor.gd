class_name FramehubCbor
extends RefCounted
## Reads CBOR (RFC 8949) from a message, item by item.
##
## The bytes are taken for hostile: what they lack, or say against the protocol's limits, leaves words in
## [member error]. From then on every call returns a default at once, so that a caller may look at the error
## when it is done. Nothing is made for a length before as many bytes are there.

## What begins an item: its major type.
enum Major { UINT, NEGINT, BYTES, TEXT, ARRAY, MAP, TAG, OTHER }

## A value that did not fit the message stands as this one in its place. No TEXT equals it in type:
## [code]is_same(value, FramehubCbor.LARGE)[/code].
const LARGE: StringName = &"framehub:large"

## Versions, numbers and times are this large at most.
const MAX_UINT: int = (1 << 53) - 1
## Items are nested as deep as this at most.
const MAX_DEPTH: int = 16

## What is wrong, in words; empty while nothing is.
var error: String = ""
## The next byte to read.
var at: int = 0
## What the last head said: the number behind its major type.
var argument: int = 0

var _bytes: PackedByteArray
var _size: int
var _info: int = 0  # how the last head wrote its argument
var _floats: StreamPeerBuffer  # of the same bytes, made when a float comes


func _init(message: PackedByteArray) -> void:
	_bytes = message
	_size = message.size()


## How many bytes have not been read.
func left() -> int:
	return _size - at


## Notes what is wrong. The first word counts, and nothing is read after it.
func fail(words: String) -> void:
	if error.is_empty():
		error = words
	at = _size


## Reads the head of an item: its [enum Major], with [member argument]. -1 after an error.
func head() -> int:
	if at >= _size:
		fail("the message ends in the middle of an item")
		return -1
	var first: int = _bytes[at]
	at += 1
	_info = first & 31
	if _info < 24:
		argument = _info
		return first >> 5
	if _info == 24 and at < _size:
		argument = _bytes[at]
		at += 1
		return first >> 5
	if _info > 27:
		fail("lengths must be told: what has none is not taken")
		return -1
	var width: int = 1 << (_info - 24)
	if _size - at < width:
		fail("the message ends in the middle of an item")
		return -1
	argument = _bytes[at]
	for i: int in range(at + 1, at + width):
		argument = argument << 8 | _bytes[i]
	at += width
	return first >> 5


## Whether the next item is null, which is then read. Also true where nothing is left.
func null_next() -> bool:
	if at < _size and _bytes[at] == 0xf6:
		at += 1
		return true
	return not error.is_empty()


## Whether the next item is of a major type. It is not read.
func next_is(major: Major) -> bool:
	return at < _size and _bytes[at] >> 5 == major


## Whether the next item is an array whose first item is an array. It is not read.
func next_is_array_of_arrays() -> bool:
	if not next_is(Major.ARRAY):
		return false
	var begin: int = at
	head()
	var nested: bool = argument > 0 and next_is(Major.ARRAY)
	if error.is_empty():
		at = begin
	return nested


## Reads an array's head: how many items follow. Each is a byte at least, so that a length that
## the message cannot hold is refused.
func array(what: String) -> int:
	if at < _size and _bytes[at] >> 3 == 0x10:  # most are short: one byte
		at += 1
		argument = _bytes[at - 1] & 7
		return bounded(what)
	if head() != Major.ARRAY:
		fail("%s must be an array" % what)
		return 0
	return bounded(what)


## The last head's argument, where so many items can follow.
func bounded(what: String) -> int:
	if argument < 0 or argument > _size - at:
		fail("%s is longer than the message" % what)
		return 0
	return argument


## Reads an unsigned integer, [param most] at most.
func uint(what: String, most: int = MAX_UINT) -> int:
	if at < _size and _bytes[at] < 24 and _bytes[at] <= most:  # most are: one byte
		at += 1
		return _bytes[at - 1]
	if head() != Major.UINT:
		fail("%s must be an unsigned integer" % what)
		return 0
	if argument < 0 or argument > most:
		fail("%s is more than %d" % [what, most])
		return 0
	return argument


## Reads a text.
func text(what: String) -> String:
	if head() != Major.TEXT:
		fail("%s must be a text" % what)
		return ""
	return _text()


## Reads a byte string.
func bytes(what: String) -> PackedByteArray:
	if head() != Major.BYTES:
		fail("%s must be a byte string" % what)
		return PackedByteArray()
	return _take()


## Reads a typed array's tag and bytes where both are short, as most are: the tag is in [member argument] then.
## Reads nothing, and returns null, where they are not.
func short_typed() -> Variant:
	if at + 4 > _size or _bytes[at] != 0xd8:
		return null
	var begin: int = at + 3
	var length: int = _bytes[at + 2] - 0x40
	if length == 24:  # how many stands in a byte of its own
		length = _bytes[begin]
		begin += 1
	elif length < 0 or length > 24:
		return null
	if begin + length > _size:
		return null
	argument = _bytes[at + 1]
	at = begin + length
	return _bytes.slice(begin, at)


## Reads so many unsigned integers where each is a byte, as most are, and each more than the one before.
## Reads nothing, and returns null, where they are not.
func short_rising(count: int) -> Variant:
	if at + count > _size:
		return null
	var numbers: PackedInt32Array = []
	var last: int = -1
	for i: int in range(at, at + count):
		var next: int = _bytes[i]
		if next <= last or next > 23:
			return null
		last = next
		numbers.append(next)
	at += count
	return numbers


## Reads true or false.
func boolean(what: String) -> bool:
	if head() != Major.OTHER or _info < 20 or _info > 21:
		fail("%s must be true or false" % what)
		return false
	return _info == 21


## Reads a finite number, as a float.
func number(what: String) -> float:
	var v: Variant = value(what)
	if v is int or v is float:
		return v
	fail("%s must be a number" % what)
	return 0.0


## Reads one value of SQL's: null, an int, a float, a String, a PackedByteArray, or [constant LARGE].
func value(what: String = "a value") -> Variant:
	var major: int = head()
	match major:
		Major.UINT:
			if argument < 0:
				fail("%s is beyond 64 bits" % what)
			return argument
		Major.NEGINT:
			if argument < 0:
				fail("%s is beyond 64 bits" % what)
			return -1 - argument
		Major.TEXT:
			return _text()
		Major.BYTES:
			return _take()
		Major.OTHER:
			return _simple(what)
	fail("%s is no value of SQL's" % what)
	return null


## Reads a value that may not be [constant LARGE].
func whole_value(what: String) -> Variant:
	var v: Variant = value(what)
	if v is StringName:
		fail("%s is undefined, which is not a value" % what)
		return null
	return v


## Reads past one item of any kind.
func skip(depth: int = 0) -> void:
	if depth > MAX_DEPTH:
		fail("items are nested more than %d deep" % MAX_DEPTH)
		return
	var major: int = head()
	match major:
		Major.BYTES:
			_take()
		Major.TEXT:
			_text()
		Major.ARRAY:
			_skip_many(bounded("an array"), depth)
		Major.MAP:
			if argument > (_size - at) / 2:
				fail("a map is longer than the message")
			else:
				_skip_many(2 * bounded("a map"), depth)
		Major.TAG:
			skip(depth + 1)


func _skip_many(count: int, depth: int) -> void:
	for i: int in count:
		if not error.is_empty():
			return
		skip(depth + 1)


# The bytes of a string whose head has been read.
func _take() -> PackedByteArray:
	if argument < 0 or argument > _size - at:
		fail("the message ends in the middle of a string")
		return PackedByteArray()
	var taken: PackedByteArray = _bytes.slice(at, at + argument)
	at += argument
	return taken


func _text() -> String:
	var taken: PackedByteArray = _take()
	if taken.is_empty():
		return ""
	var words: String = FramehubText.read(taken)
	if words.is_empty():
		fail("a text is not valid UTF-8")
	return words


# What follows a head of the last major type.
func _simple(what: String) -> Variant:
	match _info:
		22:
			return null
		23:
			return LARGE
		25, 26, 27:
			return _float(1 << (_info - 24), what)
	fail("%s is no value of SQL's" % what)
	return null


# The float that the last head brought, of so many bytes. Floats of CBOR are big endian.
func _float(width: int, what: String) -> float:
	if _floats == null:
		_floats = StreamPeerBuffer.new()
		_floats.big_endian = true
		_floats.data_array = _bytes
	_floats.seek(at - width)
	var v: float = 0.0
	match width:
		2:
			v = _floats.get_half()
		4:
			v = _floats.get_float()
		8:
			v = _floats.get_double()
	if not is_finite(v):
		fail("%s is NaN or infinite, which is not a value" % what)
		return 0.0
	return v

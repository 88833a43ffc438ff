class_name FramehubCborWriter
extends RefCounted
## Writes CBOR (RFC 8949), with heads as short as can be.

const _LARGE: int = 1 << 10

## What has been written.
var bytes: PackedByteArray = []


## Writes the head of an item.
func head(major: FramehubCbor.Major, argument: int) -> void:
	var first: int = major << 5
	if argument < 24:
		bytes.append(first | argument)
	elif argument < 0x100:
		bytes.append(first | 24)
		bytes.append(argument)
	elif argument < 0x10000:
		bytes.append(first | 25)
		_big_endian(argument, 2)
	elif argument < 0x100000000:
		bytes.append(first | 26)
		_big_endian(argument, 4)
	else:
		bytes.append(first | 27)
		_big_endian(argument, 8)


func _big_endian(v: int, width: int) -> void:
	for i: int in width:
		bytes.append(v >> (8 * (width - 1 - i)) & 255)


## Writes an array's head. So many items must follow.
func array(count: int) -> void:
	head(FramehubCbor.Major.ARRAY, count)


## Writes a map's head. So many pairs must follow.
func map(count: int) -> void:
	head(FramehubCbor.Major.MAP, count)


## Writes a whole number.
func integer(v: int) -> void:
	if v >= 0:
		head(FramehubCbor.Major.UINT, v)
	else:
		head(FramehubCbor.Major.NEGINT, -1 - v)


## Writes true or false.
func boolean(v: bool) -> void:
	bytes.append(0xf5 if v else 0xf4)


## Writes null.
func nothing() -> void:
	bytes.append(0xf6)


## Writes a text.
func text(v: String) -> void:
	var utf8: PackedByteArray = v.to_utf8_buffer()
	head(FramehubCbor.Major.TEXT, utf8.size())
	bytes.append_array(utf8)


## Writes a byte string.
func blob(v: PackedByteArray) -> void:
	head(FramehubCbor.Major.BYTES, v.size())
	raw(v)


## Writes bytes as they are.
func raw(v: PackedByteArray) -> void:
	if v.size() < _LARGE:
		bytes.append_array(v)
		return
	# append_array copies byte by byte; a buffer copies them at once.
	var buffer: StreamPeerBuffer = StreamPeerBuffer.new()
	buffer.data_array = bytes
	bytes = PackedByteArray()  # else there were two owners, and what is there would be copied
	buffer.seek(buffer.get_size())
	buffer.put_data(v)
	bytes = buffer.data_array


## Writes a float in 4 bytes where that loses nothing, else in 8.
func real(v: float) -> void:
	var four: PackedByteArray = [0, 0, 0, 0]
	four.encode_float(0, v)
	if four.decode_float(0) == v:
		bytes.append(0xfa)
		four.reverse()
		bytes.append_array(four)
		return
	var eight: PackedByteArray = [0, 0, 0, 0, 0, 0, 0, 0]
	eight.encode_double(0, v)
	eight.reverse()
	bytes.append(0xfb)
	bytes.append_array(eight)


## Writes a value of SQL's. False where it is none: nothing is written then.
func value(v: Variant) -> bool:
	match typeof(v):
		TYPE_NIL:
			nothing()
		TYPE_BOOL:
			integer(1 if v else 0)
		TYPE_INT:
			integer(v)
		TYPE_FLOAT:
			if not is_finite(v):
				return false
			real(v)
		TYPE_STRING, TYPE_STRING_NAME, TYPE_NODE_PATH:
			if is_same(v, FramehubCbor.LARGE):
				return false
			text(str(v))
		TYPE_PACKED_BYTE_ARRAY:
			blob(v)
		_:
			return false
	return true


## Writes an array of values. False where one is none.
func values(list: Array) -> bool:
	array(list.size())
	for v: Variant in list:
		if not value(v):
			return false
	return true

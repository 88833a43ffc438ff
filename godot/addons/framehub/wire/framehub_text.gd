class_name FramehubText
extends RefCounted
## Texts as they travel: UTF-8.

const _REPLACEMENT: PackedByteArray = [0xef, 0xbf, 0xbd]
const _MARK: PackedByteArray = [0xef, 0xbb, 0xbf]  # U+FEFF, which the engine leaves out at the beginning
const _HIGH_BITS: int = -0x7f7f7f7f7f7f7f80  # of 8 bytes, that of each
const _LEAST: PackedInt32Array = [0, 0x80, 0x800, 0x10000]  # what takes so many bytes more than one


## The text that bytes hold; empty where there are none, or they are not valid UTF-8. A text of SQL's may
## hold U+0000, which a String cannot: U+FFFD stands there.
static func read(bytes: PackedByteArray) -> String:
	if bytes.has(0):
		return read(_without_nul(bytes))
	# The engine mends what is not valid, and says so on its console, for each byte.
	if not _is_valid(bytes):
		return ""
	var words: String = bytes.get_string_from_utf8()
	return words if bytes.slice(0, 3) != _MARK else String.chr(0xfeff) + words


# As RFC 3629 has it.
static func _is_valid(bytes: PackedByteArray) -> bool:
	var size: int = bytes.size()
	var at: int = 0
	while at < size:
		if at + 8 <= size and bytes.decode_s64(at) & _HIGH_BITS == 0:
			at += 8
			continue
		var first: int = bytes[at]
		at += 1
		if first < 0x80:
			continue
		var more: int = 1 if first < 0xe0 else (2 if first < 0xf0 else 3)
		if first < 0xc2 or first > 0xf4 or size - at < more:
			return false
		var code: int = first & 0x3f >> more
		for i: int in range(at, at + more):
			if bytes[i] & 0xc0 != 0x80:
				return false
			code = code << 6 | bytes[i] & 0x3f
		at += more
		if code < _LEAST[more] or code > 0x10ffff or (code >= 0xd800 and code < 0xe000):
			return false
	return true


static func _without_nul(bytes: PackedByteArray) -> PackedByteArray:
	var replaced: PackedByteArray = []
	for b: int in bytes:
		if b == 0:
			replaced.append_array(_REPLACEMENT)
		else:
			replaced.append(b)
	return replaced

class_name FramehubText
extends RefCounted
## Texts as they travel: UTF-8.

const _REPLACEMENT: PackedByteArray = [0xef, 0xbf, 0xbd]


## The text that bytes hold; empty where there are none, or they are not valid UTF-8. A text of SQL's may
## hold U+0000, which a String cannot: U+FFFD stands there.
static func read(bytes: PackedByteArray) -> String:
	if bytes.has(0):
		return read(_without_nul(bytes))
	var words: String = bytes.get_string_from_utf8()
	# The engine mends what is not valid, and says so on its console. Comparing costs less than looking at
	# each byte.
	return words if words.to_utf8_buffer() == bytes else ""


static func _without_nul(bytes: PackedByteArray) -> PackedByteArray:
	var replaced: PackedByteArray = []
	for b: int in bytes:
		if b == 0:
			replaced.append_array(_REPLACEMENT)
		else:
			replaced.append(b)
	return replaced

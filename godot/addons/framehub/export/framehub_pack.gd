class_name FramehubPack
extends RefCounted
## The list of files in a pack (.pck) that Godot has exported, and what they hold. A pack at the end of a
## program is one, too.

const _MAGIC: int = 0x43504447  # GDPC
const _OLDEST: int = 2
const _NEWEST: int = 3
const _DIRECTORY_ENCRYPTED: int = 1
const _RELATIVE: int = 2
const _FILE_ENCRYPTED: int = 1
const _FILE_REMOVED: int = 2
const _MOST_PATH: int = 1 << 16

## Paths of the files: res://….
var paths: PackedStringArray = []
## Where each file begins in the pack, in bytes.
var offsets: PackedInt64Array = []
## How many bytes each has.
var sizes: PackedInt64Array = []

var _file: FileAccess = null


## Reads the list of files. Returns words where that can't be.
func open(path: String) -> String:
	_file = FileAccess.open(path, FileAccess.READ)
	if _file == null:
		return "%s can't be read: %s" % [path, error_string(FileAccess.get_open_error())]
	var begin: int = _begin()
	if begin < 0:
		return "%s holds no pack of Godot's" % path
	var words: String = _read_head(begin)
	return "%s: %s" % [path, words] if not words.is_empty() else ""


## Whether a file is a pack, or ends with one.
static func is_pack(path: String) -> bool:
	var pack: FramehubPack = FramehubPack.new()
	pack._file = FileAccess.open(path, FileAccess.READ)
	return pack._file != null and pack._begin() >= 0


# Where the pack begins in its file, or -1. Behind a program stand its size and the magic number.
func _begin() -> int:
	if _file.get_length() < 32:
		return -1
	if _file.get_32() == _MAGIC:
		return 0
	_file.seek_end(-12)
	var size: int = _file.get_64()
	var begin: int = _file.get_length() - 12 - size
	if _file.get_32() != _MAGIC or size < 0 or begin < 0:
		return -1
	_file.seek(begin)
	return begin if _file.get_32() == _MAGIC else -1


func _read_head(begin: int) -> String:
	_file.seek(begin + 4)
	var version: int = _file.get_32()
	if version < _OLDEST or version > _NEWEST:
		return "the pack is of format %d, this addon reads %d to %d" % [version, _OLDEST, _NEWEST]
	_file.seek(begin + 20)
	var flags: int = _file.get_32()
	var base: int = _file.get_64()
	if flags & _RELATIVE:
		base += begin
	if flags & _DIRECTORY_ENCRYPTED:
		return "the pack is encrypted: what the hub had of it nobody could read"
	if version >= 3:
		_file.seek(begin + _file.get_64())
	else:
		_file.seek(begin + 96)
	return _read_files(base)


func _read_files(base: int) -> String:
	for i: int in _file.get_32():
		var length: int = _file.get_32()
		if length > _MOST_PATH or _file.eof_reached():
			return "the pack is damaged"
		var path: String = _file.get_buffer(length).get_string_from_utf8()  # which ends at padding
		var offset: int = _file.get_64()
		var size: int = _file.get_64()
		_file.seek(_file.get_position() + 16)
		var flags: int = _file.get_32()
		if flags & _FILE_ENCRYPTED:
			return "%s is encrypted: what the hub had of it nobody could read" % path
		if flags & _FILE_REMOVED:
			continue
		if size < 0 or base + offset + size > _file.get_length():
			return "the pack is damaged: %s would lie beyond its end" % path
		paths.append(path if path.begins_with("res://") else "res://" + path)
		offsets.append(base + offset)
		sizes.append(size)
	return "" if not _file.eof_reached() else "the pack is damaged"


## Reads bytes of the pack; fewer where it ends.
func read(offset: int, size: int) -> PackedByteArray:
	_file.seek(offset)
	return _file.get_buffer(size)

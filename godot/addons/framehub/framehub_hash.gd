class_name FramehubHash
extends RefCounted
## How contents are named: by SHA-256, in chunks.
##
## A content is cut into chunks of [constant CHUNK] bytes, the last one shorter; a content without bytes has
## none. An asset's name is the hash of its chunks' hashes, one after the other, so that each chunk can be
## checked as soon as it is there. A tree is a list of paths and what is there; its name is the hash of the
## list written down, a line for each path, in the paths' order: the asset's name in hexadecimal, two spaces,
## the path.

## Bytes of a chunk.
const CHUNK: int = 1 << 18
## Bytes of a hash.
const SIZE: int = 32


## The hash of bytes.
static func of(bytes: PackedByteArray) -> PackedByteArray:
	var context: HashingContext = HashingContext.new()
	context.start(HashingContext.HASH_SHA256)
	if not bytes.is_empty():
		context.update(bytes)
	return context.finish()


## The hashes of a file's chunks, one after the other.
static func chunks_of(file: FileAccess) -> PackedByteArray:
	var hashes: PackedByteArray = []
	file.seek(0)
	while file.get_position() < file.get_length():
		var bytes: PackedByteArray = file.get_buffer(CHUNK)
		if bytes.is_empty():
			return PackedByteArray()  # the file can't be read
		hashes.append_array(of(bytes))
	return hashes


## The asset's name of a file's content; of nothing where it can't be read.
static func of_file(path: String) -> PackedByteArray:
	var file: FileAccess = FileAccess.open(path, FileAccess.READ)
	return of(chunks_of(file)) if file != null else PackedByteArray()


## The name of a tree: assets by their paths.
static func of_tree(assets: Dictionary[String, PackedByteArray]) -> PackedByteArray:
	var paths: Array = assets.keys()
	paths.sort()
	var context: HashingContext = HashingContext.new()
	context.start(HashingContext.HASH_SHA256)
	for path: String in paths:
		context.update(("%s  %s\n" % [assets[path].hex_encode(), path]).to_utf8_buffer())
	return context.finish()


## How many chunks a content of [param size] bytes has.
static func count_of(size: int) -> int:
	return (size + CHUNK - 1) / CHUNK

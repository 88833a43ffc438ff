class_name FramehubFrame
extends FramehubMessage
## What a frame changed, or a part of a snapshot.


## A transaction that changed rows of a table, as servers are told. The device of what the hub itself or a
## program with SQL wrote is 16 zero bytes.
class Author:
	extends RefCounted
	## Whose transaction it is.
	var device: PackedByteArray = []
	## The transaction's number.
	var seq: int = 0
	## The table's number in the schema.
	var table: int = 0
	## One value a key, or an Array of them where the key has several columns.
	var keys: Array = []


## Rows that are new, and values that are others.
var blocks: Array[FramehubBlock]
## The keys of rows that went.
var removed: Array[FramehubBlock]
## The version that the copy must have.
var previous: int
## Whether the rest of the frame comes with the next message.
var more: bool
## The places of the subscriptions that are complete; null: all.
var complete: Variant
## Who wrote what, as servers are told.
var authors: Array[Author]


func _read_body(r: FramehubCbor) -> void:
	if type == Type.FRAME:
		_read_frame(r)
		return
	id = _uint(r, "a snapshot's id")
	version = _uint(r, "a snapshot's version")
	while _left > 0 and r.error.is_empty():
		_left -= 1
		blocks.append(FramehubBlock.read(r))


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

class_name FramehubTable
extends RefCounted
## The local copy of one table: a row is a place in packed columns, from 0 to [member count] - 1.
##
## Places are dense, so that a column can be handed to a [MultiMesh] or looped over without a dictionary for
## each row:
## [codeblock]
## var players: FramehubTable = hub.table("player")
## var x: PackedFloat64Array = players.floats("x")
## for row: int in players.count:
##     draw(players.key_at(row), x[row])
## [/codeblock] A place holds until the table changes next: a row that goes is replaced by the last one.
## Keep keys, and look places up with [method row_of]. A key is the value of the key column, or an Array
## where the key has several columns. What is returned of the copy is for reading: whoever changes it
## changes the copy, and not the hub.

## The table's name.
var name: String = ""
## Its columns, key and rights, as the hub describes them.
var shape: FramehubSchema.TableShape = null
## How many rows there are.
var count: int = 0

var _stores: Array[FramehubStore] = []
var _columns: Dictionary[String, int] = {}
var _keys: Array = []  # by place
var _rows: Dictionary = {}  # places by key
var _versions: PackedInt64Array = []  # by place: the version that changed the row last
var _plain_key: bool = false  # the key is one column, whose values are keys as they come
var _fitting: PackedInt32Array = []  # the columns of the last block that fitted


func _init(described: FramehubSchema.TableShape) -> void:
	describe(described)


## Whether there is a row with this key.
func has(key: Variant) -> bool:
	return _rows.has(_normal(key))


## The place of the row with this key, or -1.
func row_of(key: Variant) -> int:
	return _rows.get(_normal(key), -1)


## The key of the row at a place.
func key_at(place: int) -> Variant:
	return _keys[place]


## All keys, by place.
func keys() -> Array:
	return _keys


## The value of a column in the row at a place: null, an int, a float, a String, a PackedByteArray, or
## [constant FramehubCbor.LARGE] where it is too large for a message (see [method
## FramehubClient.read_large]).
func value(place: int, column_name: String) -> Variant:
	return _stores[_columns[column_name]].at(place)


## The value of a column in the row with a key; [param otherwise] where there is no such row.
func find(key: Variant, column_name: String, otherwise: Variant = null) -> Variant:
	var place: int = row_of(key)
	return otherwise if place < 0 else value(place, column_name)


## A row as a dictionary. Made for the occasion: loops read columns.
func row(place: int) -> Dictionary[String, Variant]:
	var values: Dictionary[String, Variant] = {}
	for column_name: String in _columns:
		values[column_name] = _stores[_columns[column_name]].at(place)
	return values


## Whether there is a column of this name.
func has_column(column_name: String) -> bool:
	return _columns.has(column_name)


## A column by place: a PackedInt64Array, a PackedFloat64Array, a PackedStringArray, or an Array where
## values are null or of other types.
func column(column_name: String) -> Variant:
	return _stores[_columns[column_name]].all()


## A column of fractions by place; what is no number is 0.
func floats(column_name: String) -> PackedFloat64Array:
	return _stores[_columns[column_name]].as_floats()


## A column of whole numbers by place; what is no number is 0.
func ints(column_name: String) -> PackedInt64Array:
	return _stores[_columns[column_name]].as_ints()


## A column of texts by place; what is no text is "".
func texts(column_name: String) -> PackedStringArray:
	return _stores[_columns[column_name]].as_texts()


## The places of rows that have changed, or come, after a version.
func changed_since(version: int) -> PackedInt32Array:
	var places: PackedInt32Array = []
	for place: int in count:
		if _versions[place] > version:
			places.append(place)
	return places


## The version that changed the row at a place last.
func version_of(place: int) -> int:
	return _versions[place]


## Takes over what the hub says of the table. Its rows go where they are of another shape.
func describe(described: FramehubSchema.TableShape) -> void:
	var fits: bool = shape != null and shape.same_shape(described)
	shape = described
	name = described.name
	_plain_key = shape.key_length == 1 and shape.types[0] in ["INTEGER", "TEXT", "BLOB"]
	_fitting = []
	if not fits:
		clear()


## Removes all rows. Columns are then packed again.
func clear() -> void:
	count = 0
	_keys = []
	_rows = {}
	_versions = PackedInt64Array()
	_stores = []
	_columns = {}
	for i: int in shape.columns.size():
		_columns[shape.columns[i]] = i
		_stores.append(FramehubStore.new(shape.types[i]))


## The keys of a block's rows.
func block_keys(block: FramehubBlock) -> Array:
	if _plain_key:
		return Array(block.data[0])
	if shape.key_length == 1:
		return Array(block.data[0]).map(FramehubKey.of)
	var list: Array = []
	for i: int in block.rows:
		var key: Array = []
		for c: int in shape.key_length:
			key.append(FramehubKey.of(block.data[c][i]))
		key.make_read_only()
		list.append(key)
	return list


## What is wrong with a block that is to be put in here, in words. With [param whole] it must have all
## columns.
func fault(block: FramehubBlock, whole: bool) -> String:
	if block.columns == _fitting and not whole:
		return ""
	var n: int = block.columns.size()
	for i: int in n:
		if block.columns[i] >= shape.columns.size() or (i < shape.key_length and block.columns[i] != i):
			return "a block of %s names other columns than the schema" % name
	if n < shape.key_length:
		return "a block of %s lacks its key" % name
	if whole and n < shape.columns.size():
		return "a snapshot of %s lacks columns" % name
	_fitting = block.columns
	return ""


## Whether there is a row with each of these keys.
func has_all(list: Array) -> bool:
	return _rows.has_all(list)


## Sets a block's values; rows that are not here come. Returns their places.
func put(list: Array, block: FramehubBlock, version: int) -> PackedInt32Array:
	var before: int = count
	var places: PackedInt32Array = _places(list, version)
	var columns: PackedInt32Array = block.columns
	# A row that was there has its key.
	for i: int in range(1 if _plain_key and count == before else 0, columns.size()):
		_stores[columns[i]].put(places, block.data[i])
	return places


# The place of each key's row, made where there was none.
func _places(list: Array, version: int) -> PackedInt32Array:
	var places: PackedInt32Array = []
	places.resize(list.size())
	var next: int = count
	for i: int in list.size():
		var place: int = _rows.get(list[i], -1)
		if place < 0:
			place = next
			next += 1
			_rows[list[i]] = place
			_keys.append(list[i])
		places[i] = place
	if next > count:
		count = next
		_versions.resize(next)
		for store: FramehubStore in _stores:
			store.resize(next)
	for place: int in places:
		_versions[place] = version
	return places


## Removes rows by their keys. Returns the keys of those that were there.
func remove(list: Array) -> Array:
	var gone: Array = []
	for key: Variant in list:
		var place: int = _rows.get(key, -1)
		if place < 0:
			continue
		_rows.erase(key)
		gone.append(key)
		count -= 1
		if place < count:
			_move(count, place)
		_keys.resize(count)
	if not gone.is_empty():
		_versions.resize(count)
		for store: FramehubStore in _stores:
			store.resize(count)
	return gone


# Lets the last row take the place of one that went.
func _move(from: int, to: int) -> void:
	var key: Variant = _keys[from]
	_keys[to] = key
	_rows[key] = to
	_versions[to] = _versions[from]
	for store: FramehubStore in _stores:
		store.move(from, to)


## Whether a subscription shows the row at a place.
func covered(place: int, sub: FramehubSub) -> bool:
	if not sub.scoped:
		return true
	return shape.scope >= 0 and sub.covers(_stores[shape.scope].at(place))


func _normal(key: Variant) -> Variant:
	if key is int or key is String:
		return key
	return FramehubKey.of_many(key) if key is Array else FramehubKey.of(key)

class_name FramehubStore
extends RefCounted
## One column of a [FramehubTable]: a packed array for as long as all values fit one, and an Array from the
## first on that does not.

## What holds the values.
enum Kind { INTS, FLOATS, TEXTS, ANY }

## What holds them now.
var kind: Kind = Kind.ANY

var _ints: PackedInt64Array = []
var _floats: PackedFloat64Array = []
var _texts: PackedStringArray = []
var _any: Array = []


func _init(type: String) -> void:
	match type:
		"INTEGER":
			kind = Kind.INTS
		"REAL":
			kind = Kind.FLOATS
		"TEXT":
			kind = Kind.TEXTS


## The value at a place.
func at(row: int) -> Variant:
	match kind:
		Kind.INTS:
			return _ints[row]
		Kind.FLOATS:
			return _floats[row]
		Kind.TEXTS:
			return _texts[row]
	return _any[row]


## All values: the packed array, or the Array.
func all() -> Variant:
	match kind:
		Kind.INTS:
			return _ints
		Kind.FLOATS:
			return _floats
		Kind.TEXTS:
			return _texts
	return _any


## All values as fractions; what is no number is 0.
func as_floats() -> PackedFloat64Array:
	if kind == Kind.FLOATS:
		return _floats
	var list: PackedFloat64Array = []
	list.resize(_size())
	for i: int in list.size():
		var v: Variant = at(i)
		if v is float or v is int:
			list[i] = v
	return list


## All values as whole numbers; what is no number is 0.
func as_ints() -> PackedInt64Array:
	if kind == Kind.INTS:
		return _ints
	var list: PackedInt64Array = []
	list.resize(_size())
	for i: int in list.size():
		var v: Variant = at(i)
		if v is float or v is int:
			list[i] = v
	return list


## All values as texts; what is no text is "".
func as_texts() -> PackedStringArray:
	if kind == Kind.TEXTS:
		return _texts
	var list: PackedStringArray = []
	list.resize(_size())
	for i: int in list.size():
		var v: Variant = at(i)
		if v is String:
			list[i] = v
	return list


func _size() -> int:
	return _ints.size() + _floats.size() + _texts.size() + _any.size()


## Makes room for so many values, or drops those behind.
func resize(n: int) -> void:
	match kind:
		Kind.INTS:
			_ints.resize(n)
		Kind.FLOATS:
			_floats.resize(n)
		Kind.TEXTS:
			_texts.resize(n)
		Kind.ANY:
			_any.resize(n)


## Copies the value at one place to another.
func move(from: int, to: int) -> void:
	match kind:
		Kind.INTS:
			_ints[to] = _ints[from]
		Kind.FLOATS:
			_floats[to] = _floats[from]
		Kind.TEXTS:
			_texts[to] = _texts[from]
		Kind.ANY:
			_any[to] = _any[from]


## Sets the values at places, from a packed array or an Array of as many.
func put(rows: PackedInt32Array, values: Variant) -> void:
	match typeof(values):
		TYPE_PACKED_FLOAT32_ARRAY:
			_put_floats32(rows, values)
		TYPE_PACKED_FLOAT64_ARRAY:
			_put_floats64(rows, values)
		TYPE_PACKED_INT32_ARRAY:
			_put_ints32(rows, values)
		TYPE_PACKED_INT64_ARRAY:
			_put_ints64(rows, values)
		TYPE_PACKED_BYTE_ARRAY:
			_put_ints32(rows, PackedInt32Array(Array(values)))
		TYPE_ARRAY:
			_put_any(rows, values)


func _put_floats32(rows: PackedInt32Array, values: PackedFloat32Array) -> void:
	if kind != Kind.FLOATS:
		_put_any(rows, Array(values))
		return
	for i: int in rows.size():
		_floats[rows[i]] = values[i]


func _put_floats64(rows: PackedInt32Array, values: PackedFloat64Array) -> void:
	if kind != Kind.FLOATS:
		_put_any(rows, Array(values))
		return
	for i: int in rows.size():
		_floats[rows[i]] = values[i]


func _put_ints32(rows: PackedInt32Array, values: PackedInt32Array) -> void:
	if kind != Kind.INTS:
		_put_any(rows, Array(values))
		return
	for i: int in rows.size():
		_ints[rows[i]] = values[i]


func _put_ints64(rows: PackedInt32Array, values: PackedInt64Array) -> void:
	if kind != Kind.INTS:
		_put_any(rows, Array(values))
		return
	for i: int in rows.size():
		_ints[rows[i]] = values[i]


func _put_any(rows: PackedInt32Array, values: Array) -> void:
	if kind != Kind.ANY and not _fit(values):
		_any = Array(all())
		_ints = PackedInt64Array()
		_floats = PackedFloat64Array()
		_texts = PackedStringArray()
		kind = Kind.ANY
	match kind:
		Kind.INTS:
			for i: int in rows.size():
				_ints[rows[i]] = values[i]
		Kind.FLOATS:
			for i: int in rows.size():
				_floats[rows[i]] = values[i]
		Kind.TEXTS:
			for i: int in rows.size():
				_texts[rows[i]] = values[i]
		Kind.ANY:
			for i: int in rows.size():
				_any[rows[i]] = values[i]


# Whether values can stand in the packed array without loss.
func _fit(values: Array) -> bool:
	var wanted: int = TYPE_INT
	if kind == Kind.FLOATS:
		wanted = TYPE_FLOAT
	elif kind == Kind.TEXTS:
		wanted = TYPE_STRING
	for v: Variant in values:
		if typeof(v) != wanted:
			return false
	return true

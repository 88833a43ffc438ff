class_name FramehubColumn
extends RefCounted
## The values of one column of a block, as they travel: a typed array (RFC 8746, little endian) of the
## smallest type that holds them all without loss, or a plain array.

## The tags of the protocol's typed arrays.
const UINT8: int = 64
const UINT16: int = 69  ## See [constant UINT8].
const UINT32: int = 70  ## See [constant UINT8].
const SINT8: int = 72  ## See [constant UINT8].
const SINT16: int = 77  ## See [constant UINT8].
const SINT32: int = 78  ## See [constant UINT8].
const SINT64: int = 79  ## See [constant UINT8].
const FLOAT32: int = 85  ## See [constant UINT8].
const FLOAT64: int = 86  ## See [constant UINT8].

# How a typed array of one number begins, the first byte lowest: what its bytes begin with comes over the last of it.
const _ONE_FLOAT32: int = 0x44 << 16 | FLOAT32 << 8 | 0xd8
const _ONE_FLOAT64: int = 0x48 << 16 | FLOAT64 << 8 | 0xd8
const _ONE_UINT8: int = 0x41 << 16 | UINT8 << 8 | 0xd8
const _ONE_UINT16: int = 0x42 << 16 | UINT16 << 8 | 0xd8

const _WIDTHS: Dictionary[int, int] = {
	UINT8: 1,
	UINT16: 2,
	UINT32: 4,
	SINT8: 1,
	SINT16: 2,
	SINT32: 4,
	SINT64: 8,
	FLOAT32: 4,
	FLOAT64: 8,
}


## Reads a column of [param n] values; of as many as there are, where that is -1. A packed array, or an
## Array.
static func read(r: FramehubCbor, what: String, n: int) -> Variant:
	var short: Variant = r.short_typed()
	if short != null:
		return _typed(r, what, n, r.argument, short)
	var major: int = r.head()
	if major == FramehubCbor.Major.TAG:
		var tag: int = r.argument
		return _typed(r, what, n, tag, r.bytes("a typed array"))
	if major != FramehubCbor.Major.ARRAY:
		r.fail("%s must be an array or a typed array" % what)
		return []
	var count: int = r.bounded(what)
	if n >= 0 and count != n:
		r.fail("%s holds %d values, the block has %d rows" % [what, count, n])
		return []
	var values: Array = []
	for i: int in count:
		if not r.error.is_empty():
			return values
		values.append(r.value(what))
	return values


static func _typed(r: FramehubCbor, what: String, n: int, tag: int, bytes: PackedByteArray) -> Variant:
	if tag == FLOAT64 and bytes.size() == 8 * n:
		return _finite64(r, bytes.to_float64_array(), what)
	if tag == FLOAT32 and bytes.size() == 4 * n:
		return _finite32(r, bytes.to_float32_array(), what)
	if tag == UINT8 and bytes.size() == n:
		return bytes
	var width: int = _WIDTHS.get(tag, 0)
	if width == 0:
		r.fail("%s has the CBOR tag %d, which is not one of the protocol's typed arrays" % [what, tag])
		return []
	if bytes.size() % width != 0 or (n >= 0 and bytes.size() != n * width):
		r.fail("%s holds %d bytes, %d values of %d bytes are %d" % [what, bytes.size(), n, width, n * width])
		return []
	match tag:
		FLOAT32:
			return _finite32(r, bytes.to_float32_array(), what)
		FLOAT64:
			return _finite64(r, bytes.to_float64_array(), what)
		SINT64:
			return bytes.to_int64_array()
		SINT32:
			return bytes.to_int32_array()
		UINT8:
			return bytes
	return _widened(tag, bytes, bytes.size() / width)


# What the engine has no packed array for, in one that holds it.
static func _widened(tag: int, bytes: PackedByteArray, n: int) -> Variant:
	if tag == UINT32:
		var wide: PackedInt64Array = []
		wide.resize(n)
		for i: int in n:
			wide[i] = bytes.decode_u32(4 * i)
		return wide
	var values: PackedInt32Array = []
	values.resize(n)
	match tag:
		SINT8:
			for i: int in n:
				values[i] = bytes.decode_s8(i)
		UINT16:
			for i: int in n:
				values[i] = bytes.decode_u16(2 * i)
		SINT16:
			for i: int in n:
				values[i] = bytes.decode_s16(2 * i)
	return values


# A sum of zeros, which NaN and infinities do not leave one.
static func _finite32(r: FramehubCbor, values: PackedFloat32Array, what: String) -> PackedFloat32Array:
	var sum: float = 0.0
	for v: float in values:
		sum += v * 0.0
	if sum != 0.0:
		r.fail("%s holds NaN or an infinity, which are not values" % what)
	return values


static func _finite64(r: FramehubCbor, values: PackedFloat64Array, what: String) -> PackedFloat64Array:
	var sum: float = 0.0
	for v: float in values:
		sum += v * 0.0
	if sum != 0.0:
		r.fail("%s holds NaN or an infinity, which are not values" % what)
	return values


## Writes a column: an Array or any packed array of numbers or Strings. With [param real], whole numbers
## travel as fractions. False where a value is none of SQL's.
static func write(w: FramehubCborWriter, values: Variant, real: bool) -> bool:
	match typeof(values):
		TYPE_PACKED_FLOAT32_ARRAY:
			return _write_float32(w, values)
		TYPE_PACKED_FLOAT64_ARRAY:
			return _write_float64(w, values)
		TYPE_PACKED_INT32_ARRAY, TYPE_PACKED_INT64_ARRAY, TYPE_PACKED_BYTE_ARRAY:
			if real:
				return _write_float64(w, PackedFloat64Array(Array(values)))
			_write_integers(w, PackedInt64Array(Array(values)))
			return true
		TYPE_PACKED_STRING_ARRAY:
			return w.values(Array(values))
		TYPE_ARRAY:
			return _write_any(w, values, real)
	return false


static func _write_any(w: FramehubCborWriter, values: Array, real: bool) -> bool:
	if values.size() == 1:
		var one: Variant = values[0]
		if one is float or (real and (one is int or one is bool)):
			return _write_one(w, float(one))
		if one is int and one >= 0 and one < 1 << 16:
			_write_one_short(w, one as int)
			return true
	var kinds: int = 0
	for v: Variant in values:
		kinds |= 1 << typeof(v)
	kinds = kinds & ~(1 << TYPE_BOOL) | (1 << TYPE_INT if kinds & (1 << TYPE_BOOL) else 0)
	if kinds == 1 << TYPE_FLOAT or (real and kinds != 0 and kinds & ~(1 << TYPE_FLOAT | 1 << TYPE_INT) == 0):
		return _write_float64(w, PackedFloat64Array(values))
	if kinds == 1 << TYPE_INT:
		_write_integers(w, PackedInt64Array(values))
		return true
	w.array(values.size())
	for v: Variant in values:
		if not w.value(float(v) if real and (v is int or v is bool) else v):
			return false
	return true


# What a row's fraction is: most transactions are of one row.
static func _write_one(w: FramehubCborWriter, v: float) -> bool:
	var bytes: PackedByteArray = w.bytes  # the same one, not a copy
	var at: int = bytes.size()
	bytes.resize(at + 7)
	bytes.encode_u32(at, _ONE_FLOAT32)
	bytes.encode_float(at + 3, v)
	if bytes.decode_float(at + 3) != v:
		bytes.resize(at + 11)
		bytes.encode_u32(at, _ONE_FLOAT64)
		bytes.encode_double(at + 3, v)
	return is_finite(v)


# What a row's key is, as often.
static func _write_one_short(w: FramehubCborWriter, v: int) -> void:
	var bytes: PackedByteArray = w.bytes
	var at: int = bytes.size()
	bytes.resize(at + (4 if v < 256 else 5))
	if v < 256:
		bytes.encode_u32(at, v << 24 | _ONE_UINT8)
	else:
		bytes.encode_u32(at, _ONE_UINT16)
		bytes.encode_u16(at + 3, v)


static func _write_float32(w: FramehubCborWriter, values: PackedFloat32Array) -> bool:
	if values.is_empty():
		w.array(0)
		return true
	var sum: float = 0.0
	for v: float in values:
		sum += v * 0.0
	_write_typed(w, FLOAT32, values.to_byte_array())
	return sum == 0.0


static func _write_float64(w: FramehubCborWriter, values: PackedFloat64Array) -> bool:
	var n: int = values.size()
	var narrow: PackedFloat32Array = []
	narrow.resize(n)
	for i: int in n:
		narrow[i] = values[i]
		if narrow[i] != values[i]:
			return _write_wide(w, values)
	return _write_float32(w, narrow)


static func _write_wide(w: FramehubCborWriter, values: PackedFloat64Array) -> bool:
	var sum: float = 0.0
	for v: float in values:
		sum += v * 0.0
	_write_typed(w, FLOAT64, values.to_byte_array())
	return sum == 0.0


static func _write_integers(w: FramehubCborWriter, values: PackedInt64Array) -> void:
	if values.is_empty():
		w.array(0)
		return
	var least: int = values[0]
	var most: int = values[0]
	for v: int in values:
		if v < least:
			least = v
		elif v > most:
			most = v
	_write_typed(w, _smallest(least, most), _packed(values, _smallest(least, most)))


# Of two equally small types the unsigned one.
static func _smallest(least: int, most: int) -> int:
	if least >= 0 and most < 1 << 32:
		return UINT8 if most < 1 << 8 else (UINT16 if most < 1 << 16 else UINT32)
	if least >= -(1 << 7) and most < 1 << 7:
		return SINT8
	if least >= -(1 << 15) and most < 1 << 15:
		return SINT16
	return SINT32 if least >= -(1 << 31) and most < 1 << 31 else SINT64


static func _packed(values: PackedInt64Array, tag: int) -> PackedByteArray:
	var n: int = values.size()
	if tag == SINT64:
		return values.to_byte_array()
	if tag == SINT32:
		return PackedInt32Array(Array(values)).to_byte_array()
	if tag == UINT8:
		return PackedByteArray(Array(values))
	var bytes: PackedByteArray = []
	var width: int = _WIDTHS[tag]
	bytes.resize(n * width)
	match width:
		1:
			for i: int in n:
				bytes[i] = values[i] & 255
		2:
			for i: int in n:
				bytes.encode_u16(2 * i, values[i] & 0xffff)
		4:
			for i: int in n:
				bytes.encode_u32(4 * i, values[i])
	return bytes


static func _write_typed(w: FramehubCborWriter, tag: int, bytes: PackedByteArray) -> void:
	w.head(FramehubCbor.Major.TAG, tag)
	w.blob(bytes)

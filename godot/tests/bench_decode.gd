extends RefCounted
## What a frame costs that comes, and is put into the local copy. The plain way: an array of maps, put into a
## dictionary of dictionaries.

const _ROWS: int = 1000
const _TIMES: int = 300

var _copy: FramehubCopy = FramehubCopy.new()
var _rows: Dictionary[int, Dictionary] = {}


func run(bench: FramehubBench) -> void:
	_fill()
	var frame: PackedByteArray = _frame()
	var maps: PackedByteArray = _maps()
	var ours: PackedFloat64Array = []
	var plain: PackedFloat64Array = []
	for i: int in _TIMES:  # in turns: what disturbs one, disturbs the other
		ours.append(_time(_apply.bind(frame)))
		plain.append(_time(_apply_maps.bind(maps)))
	var packed_time: float = FramehubBench.median(ours)
	var maps_time: float = FramehubBench.median(plain)
	print("a frame of %d rows x 4 values, %d bytes: %.2f ms" % [_ROWS, frame.size(), packed_time])
	print("an array of maps, %d bytes: %.2f ms" % [maps.size(), maps_time])
	bench.wanted("a frame of 1,000 rows x 4 values", packed_time, "ms", "<", 2.0)
	bench.wanted("faster than an array of maps", maps_time / packed_time, "x", ">=", 10.0)


func _time(f: Callable) -> float:
	var began: int = Time.get_ticks_usec()
	f.call()
	return (Time.get_ticks_usec() - began) / 1000.0


func _schema() -> FramehubSchema:
	var shape: FramehubSchema.TableShape = FramehubSchema.TableShape.new()
	shape.number = 1
	shape.name = "entity"
	shape.key_length = 1
	shape.columns = ["id", "x", "y", "heading", "speed", "owner"]
	shape.types = ["INTEGER", "REAL", "REAL", "REAL", "REAL", "TEXT"]
	shape.flags = [0, 0, 0, 0, 0, 0]
	var schema: FramehubSchema = FramehubSchema.new()
	schema.tables = [shape]
	return schema


func _fill() -> void:
	_copy.describe(_schema())
	_copy.subs = [FramehubSub.all_of("entity")]
	var block: FramehubBlock = _block()
	block.columns.append(5)
	block.data.append(Array(_ids()).map(func(id: int) -> String: return str(id)))
	_copy.set_aside(0, [block])
	_copy.place(0, 1, _copy.subs, _copy.subs)


func _ids() -> PackedInt64Array:
	return PackedInt64Array(range(100000, 100000 + 7 * _ROWS, 7))


func _block() -> FramehubBlock:
	var block: FramehubBlock = FramehubBlock.new()
	block.table = 1
	block.columns = [0, 1, 2, 3, 4]
	block.rows = _ROWS
	block.data = [_ids()]
	for c: int in 4:
		var values: PackedFloat32Array = []
		for i: int in _ROWS:
			values.append(sin(i + c))
		block.data.append(values)
	return block


func _frame() -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(6)
	for v: int in [4, 1, 1, 5]:
		w.integer(v)
	w.array(1)
	_block().write(w)
	w.array(0)
	return w.bytes


func _apply(frame: PackedByteArray) -> void:
	var m: FramehubFrame = FramehubMessage.read(frame)
	if not m.error.is_empty() or not _copy.apply(m).is_empty():
		push_error("the frame does not fit")


# An array of {id, x, y, heading, speed}.
func _maps() -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	var ids: PackedInt64Array = _ids()
	w.array(_ROWS)
	for i: int in _ROWS:
		w.map(5)
		w.text("id")
		w.integer(ids[i])
		for c: int in 4:
			w.text(["x", "y", "heading", "speed"][c])
			w.real(PackedFloat32Array([sin(i + c)])[0])
	return w.bytes


func _apply_maps(bytes: PackedByteArray) -> void:
	var r: StreamPeerBuffer = StreamPeerBuffer.new()
	r.big_endian = true
	r.data_array = bytes
	for row: Dictionary in _item(r):
		(_rows.get_or_add(row.id, {}) as Dictionary).merge(row, true)


# As one writes a decoder of CBOR.
func _item(r: StreamPeerBuffer) -> Variant:
	var first: int = r.get_u8()
	var n: int = first & 31
	if n == 24:
		n = r.get_u8()
	elif n == 25:
		n = r.get_u16()
	elif n == 26 and first >> 5 != 7:
		n = r.get_u32()
	match first >> 5:
		0:
			return n
		3:
			return r.get_utf8_string(n)
		4:
			var list: Array = []
			for i: int in n:
				list.append(_item(r))
			return list
		5:
			var map: Dictionary = {}
			for i: int in n:
				var key: Variant = _item(r)
				map[key] = _item(r)
			return map
	return r.get_float() if n == 26 else r.get_double()

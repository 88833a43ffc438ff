extends FramehubTest
## Messages of 1 MiB that are made to take long.

const _SIZE: int = 1 << 20
const _MOST: float = 2.0  # seconds of the processor's; what a hub says takes a hundredth of it


func _read(w: FramehubCborWriter, what: String) -> FramehubMessage:
	check(w.bytes.size() > _SIZE / 2 and w.bytes.size() <= 2 * _SIZE, "%s: %d bytes" % [what, w.bytes.size()])
	var began: float = _time()
	var m: FramehubMessage = FramehubMessage.read(w.bytes, 2 * _SIZE)
	var seconds: float = (_time() - began) / 1000.0
	check(seconds < _MOST, "%s took %.1f s" % [what, seconds])
	return m


# In milliseconds: the main thread's, which other programs take little of; where the system does not tell, the clock's.
func _time() -> float:
	var time: float = cpu()
	return time if time > 0.0 else Time.get_ticks_usec() / 1000.0


func _of(message: Array) -> FramehubCborWriter:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	FramehubTestFake.write(w, message)
	return w


func test_a_schema_of_many_columns() -> void:
	var columns: Array = range(80000).map(func(i: int) -> Array: return ["c%d" % i, "REAL", 0])
	var m: FramehubMessage = _read(_of([1, [1, [[1, "t", 1, null, columns, 15, "durable"]]]]), "a schema")
	check(m.error.contains("80000 columns"), m.error)


func test_a_schema_of_many_tables() -> void:
	var tables: Array = range(30000).map(
		func(i: int) -> Array: return [i, "t%d" % i, 1, null, [["id", "INTEGER", 1]], 15, "durable"]
	)
	_read(_of([1, [1, tables]]), "a schema")


func test_blocks_of_many_columns() -> void:
	var numbers: Array = range(2000)
	var blocks: Array = range(200).map(func(_i: int) -> Array: return [1, numbers, 0])
	var m: FramehubMessage = _read(_of([4, 1, 0, 0, blocks, []]), "blocks")
	check(not m.error.is_empty(), "blocks without their columns are taken")


func test_what_is_skipped() -> void:
	var w: FramehubCborWriter = _of([6, 1, []])
	w.bytes[0] = 0x84
	w.array(_SIZE)
	var nothing: PackedByteArray = []
	nothing.resize(_SIZE)
	w.bytes.append_array(nothing)
	check(not _read(w, "an array").error.is_empty(), "an array of refusals that are none is taken")
	w = _of([6, 1, [], [], 0])
	w.bytes.resize(w.bytes.size() - 1)
	w.array(_SIZE)
	w.bytes.append_array(nothing)
	equal(_read(w, "an array to skip").error, "", "an array to skip")
	nothing.fill(0x81)
	w = _of([6, 1, [], [], 0])
	w.bytes.append_array(nothing)
	w.bytes[0] = 0x86
	check(_read(w, "nested arrays").error.contains("deep"), "nested arrays are taken")


func test_texts_that_are_none() -> void:
	var bytes: PackedByteArray = []
	bytes.resize(_SIZE)
	bytes.fill(0xff)
	var w: FramehubCborWriter = _of([12, 4000])
	w.bytes[0] = 0x84
	w.head(FramehubCbor.Major.TEXT, _SIZE)
	w.bytes.append_array(bytes)
	w.nothing()
	check(_read(w, "a text").error.contains("UTF-8"), "a text that is none is taken")
	var text: String = "木".repeat(_SIZE / 3)
	var m: FramehubReply = _read(_of([12, 4000, text, null]), "a text")
	equal(m.text.length(), text.length(), "a long text")


func test_frames_that_never_end() -> void:
	var copy: FramehubCopy = FramehubCopy.new()
	var schema: Array = [1, [[1, "t", 1, null, [["id", "INTEGER", 1], ["x", "REAL", 0]], 15, "durable"]]]
	copy.describe((FramehubMessage.read(_of([1, schema]).bytes) as FramehubReply).schema)
	var frame: FramehubFrame = FramehubMessage.read(_of([4, 1, 0, 0, [[1, [0], 1, [5]]], [], true]).bytes)
	equal(frame.error, "", "a part of a frame")
	equal(copy.apply(frame), "", "a part of a frame")
	var next: FramehubFrame = FramehubMessage.read(_of([4, 2, 1, 0, [], []]).bytes)
	check(not copy.apply(next).is_empty(), "another frame within the first is taken")

class_name FramehubHasher
extends RefCounted
## Hashes the chunks of a file in threads of their own, while the main thread sends what is known already.

var _path: String = ""
var _offsets: PackedInt64Array = []
var _sizes: PackedInt32Array = []
var _mutex: Mutex = Mutex.new()
var _hashes: Array[PackedByteArray] = []  # by chunk; empty: not yet
var _stopped: bool = false
var _group: int = -1


## Begins: chunk i is the [param sizes] bytes at [param offsets] of the file.
func begin(path: String, offsets: PackedInt64Array, sizes: PackedInt32Array) -> void:
	_path = path
	_offsets = offsets
	_sizes = sizes
	_hashes.resize(offsets.size())
	if not offsets.is_empty():
		_group = WorkerThreadPool.add_group_task(_hash, offsets.size(), -1, true, "Framehub hashes chunks")


# In a thread. A file that can't be read gives a hash of no bytes, which no chunk has.
func _hash(chunk: int) -> void:
	if _stopped:
		return
	var file: FileAccess = FileAccess.open(_path, FileAccess.READ)
	var bytes: PackedByteArray = []
	if file != null:
		file.seek(_offsets[chunk])
		bytes = file.get_buffer(_sizes[chunk])
	var hashed: PackedByteArray = FramehubHash.of(bytes)
	_mutex.lock()
	_hashes[chunk] = hashed
	_mutex.unlock()


## The hash of a chunk; empty where it is not known yet.
func hash_of(chunk: int) -> PackedByteArray:
	_mutex.lock()
	var hashed: PackedByteArray = _hashes[chunk]
	_mutex.unlock()
	return hashed


## Ends, and waits for the threads.
func stop() -> void:
	_stopped = true
	if _group >= 0:
		WorkerThreadPool.wait_for_group_task_completion(_group)
		_group = -1

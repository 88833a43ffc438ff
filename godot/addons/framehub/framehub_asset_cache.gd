class_name FramehubAssetCache
extends RefCounted
## Files of [FramehubAssets] on disk: contents by their hashes, and packs that were made of them.

const _PARTIAL: String = ".part"
const _PACK: String = ".pck"

var _folder: String = ""
var _mounted: Dictionary[String, bool] = {}


func _init(folder: String) -> void:
	_folder = folder
	DirAccess.make_dir_recursive_absolute(folder)


## Where a content is, or will be.
func path_of(asset: PackedByteArray) -> String:
	return _folder.path_join(asset.hex_encode())


## Where it is while it is not whole.
func partial_of(asset: PackedByteArray) -> String:
	return path_of(asset) + _PARTIAL


## Whether a content is there, and is what its hash says; a file that is not goes. Wait for it.
func has(asset: PackedByteArray) -> bool:
	var path: String = path_of(asset)
	if not FileAccess.file_exists(path):
		return false
	if await hash_of(path) == asset:
		return true
	DirAccess.remove_absolute(path)
	return false


## The hash of a file, which a thread makes. Wait for it.
func hash_of(path: String) -> PackedByteArray:
	var hashed: Array[PackedByteArray] = [PackedByteArray()]
	var task: int = WorkerThreadPool.add_task(func() -> void: hashed[0] = FramehubHash.of_file(path))
	while not WorkerThreadPool.is_task_completed(task):
		await (Engine.get_main_loop() as SceneTree).process_frame
	WorkerThreadPool.wait_for_task_completion(task)
	return hashed[0]


## What was partial is whole.
func complete(asset: PackedByteArray) -> Error:
	return DirAccess.rename_absolute(partial_of(asset), path_of(asset))


## Makes a pack of contents by path, if it is not there, and loads it over what the game has.
func mount(assets: Dictionary[String, PackedByteArray]) -> Error:
	var path: String = _folder.path_join(FramehubHash.of_tree(assets).hex_encode() + _PACK)
	if not FileAccess.file_exists(path):
		var made: Error = _make_pack(path, assets)
		if made != OK:
			return made
	_mounted[path] = true
	return OK if ProjectSettings.load_resource_pack(path) else ERR_FILE_CORRUPT


func _make_pack(path: String, assets: Dictionary[String, PackedByteArray]) -> Error:
	var packer: PCKPacker = PCKPacker.new()
	var partial: String = path + _PARTIAL
	var made: Error = packer.pck_start(partial)
	for name: String in assets:
		if made == OK:
			made = packer.add_file(name, path_of(assets[name]))
	if made == OK:
		made = packer.flush()
	return DirAccess.rename_absolute(partial, path) if made == OK else made


## Removes the oldest files until no more than so many bytes are left, but for those of [param kept] and packs
## that are loaded.
func trim(most_bytes: int, kept: Array) -> void:
	var stay: Dictionary[String, bool] = _mounted.duplicate()
	for asset: PackedByteArray in kept:
		stay[path_of(asset)] = true
	var bytes: int = 0
	var files: Array[Array] = []  # time, bytes, path
	for file: String in DirAccess.get_files_at(_folder):
		var path: String = _folder.path_join(file)
		var size: int = FileAccess.get_size(path)
		bytes += size
		if not stay.has(path):
			files.append([FileAccess.get_modified_time(path), size, path])
	files.sort()
	for file: Array in files:
		if bytes <= most_bytes:
			return
		if DirAccess.remove_absolute(file[2] as String) == OK:
			bytes -= file[1] as int

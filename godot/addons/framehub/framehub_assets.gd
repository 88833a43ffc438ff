@icon("icons/assets.svg")
class_name FramehubAssets
extends Node
## What exports have brought to the hub, for games: knows the newest release, fetches its files, checks them
## by their hashes, keeps them on disk, and loads them as a pack.
##
## [codeblock]
## @onready var assets: FramehubAssets = $FramehubAssets
##
## func _ready() -> void:
##     assets.released.connect(_on_released)
##
## func _on_released(_number: int) -> void:
##     var answer: FramehubAnswer = await assets.load_pack(["res://levels/two.tscn"]).wait()
##     if answer.code.is_empty():
##         get_tree().change_scene_to_file("res://levels/two.tscn")
## [/codeblock] What is loaded can hold scripts: whoever may export decides what games run. Use wss addresses.

## Emitted when a release is there, with all that it says of its files: the newest one first, then each that
## comes.
signal released(number: int)
## Emitted while files are fetched: how many are there, of how many that were asked for since the last time
## that all were.
signal progressed(done: int, total: int)
## Emitted when it can't be known what a release has.
signal failed(code: String, text: String)

const _AT_ONCE: int = 32  # files that are fetched

## The device. Null: the first of the group [code]framehub_client[/code].
@export var client: FramehubClient = null
## The export preset whose releases are wanted. Empty: any.
@export var preset: String = ""
## Where files are kept.
@export_dir var folder: String = "user://framehub/assets"
## How many bytes are kept. Beyond, the oldest files go that the release does not have.
@export var most_bytes: int = 1 << 30

## The number of the release whose files are known; 0 before one is.
var number: int = 0

var _cache: FramehubAssetCache = null
var _newest: int = 0  # the number that was heard of last
var _tree: PackedByteArray = []
var _wanted: PackedByteArray = []  # the tree that is being asked for
var _subscribed: PackedByteArray = []  # the tree whose files the copy has, or will have
var _assets: Dictionary[String, PackedByteArray] = {}  # by path
var _fetching: Dictionary[PackedByteArray, FramehubAnswer] = {}
var _waiting: Array[PackedByteArray] = []
var _done: int = 0
var _total: int = 0


func _enter_tree() -> void:
	if client == null:
		client = get_tree().get_first_node_in_group(FramehubClient.GROUP) as FramehubClient
	if client == null:
		push_error("FramehubAssets finds no FramehubClient")
		return
	_cache = FramehubAssetCache.new(folder)
	client.rows_changed.connect(_on_rows_changed)
	_subscribe()


func _exit_tree() -> void:
	if client != null:
		client.rows_changed.disconnect(_on_rows_changed)


func _subscribe() -> void:
	var answer: FramehubAnswer = await client.subscribe([FramehubSub.all_of("release")]).wait()
	if not answer.code.is_empty():
		failed.emit(answer.code, answer.text)


func _on_rows_changed(table: FramehubTable, rows: PackedInt32Array) -> void:
	if table.name != "release":
		return
	var newest: int = -1
	for row: int in rows:
		var fits: bool = preset.is_empty() or table.value(row, "preset") == preset
		if fits and (newest < 0 or table.key_at(row) > table.key_at(newest)):
			newest = row
	if newest >= 0 and table.key_at(newest) > _newest:
		_take_release(table.key_at(newest) as int, table.value(newest, "tree") as PackedByteArray)


func _take_release(newest: int, tree: PackedByteArray) -> void:
	_newest = newest
	if tree == _tree:
		_wanted = tree
		_tell(newest)
		return
	var gone: Array[FramehubSub] = []
	var before: PackedByteArray = _subscribed
	if not before.is_empty():
		gone.append(FramehubSub.scopes_of("release_asset", [before]))
	_wanted = tree
	_subscribed = tree
	var answer: FramehubAnswer = await client.subscribe([FramehubSub.scopes_of("release_asset", [tree])], gone).wait()
	if not answer.code.is_empty() and _subscribed == tree:
		_subscribed = before
	if _wanted != tree:
		return  # a newer one has come
	if not answer.code.is_empty():
		failed.emit(answer.code, answer.text)
	elif _take_files(tree):
		_tree = tree
		_tell(newest)
	else:
		failed.emit("corrupt", "the files of release %d are not those that its hash says" % newest)


func _tell(newest: int) -> void:
	number = newest
	released.emit(newest)


func _take_files(tree: PackedByteArray) -> bool:
	var table: FramehubTable = client.table("release_asset")
	var assets: Dictionary[String, PackedByteArray] = {}
	for row: int in table.count:
		if table.value(row, "tree") == tree:
			assets[table.value(row, "path")] = table.value(row, "asset")
	if FramehubHash.of_tree(assets) != tree:
		return false
	_assets = assets
	return true


## The paths of the release's files that begin with a text, in order. They are those of the pack: a scene
## [code]res://a.tscn[/code] is there as [code]res://a.tscn.remap[/code], which [method load_pack] follows.
func paths(begin: String = "res://") -> PackedStringArray:
	var found: Array = _assets.keys().filter(func(path: String) -> bool: return path.begins_with(begin))
	found.sort()
	return PackedStringArray(found)


## The hash of a file of the release; of no bytes where there is none.
func hash_of(path: String) -> PackedByteArray:
	return _assets.get(path, PackedByteArray())


## Fetches a file: by its path in the release, or by its hash, as 32 bytes or as 64 digits. The answer's value is
## the path of a file whose content was checked just now. It is refused as "missing" where there is none, as
## "corrupt" where the hub has other bytes than the hash says.
func fetch(what: Variant) -> FramehubAnswer:
	var answer: FramehubAnswer = FramehubAnswer.new()
	var asset: PackedByteArray = what if what is PackedByteArray else _asset(str(what))
	if _cache == null or asset.size() != FramehubHash.SIZE:
		answer.refuse("missing", "release %d has no file %s" % [number, what])
		return answer
	if _fetching.has(asset):
		return _fetching[asset]
	_fetching[asset] = answer
	_waiting.append(asset)
	_total += 1
	_go_on()
	return answer


func _asset(named: String) -> PackedByteArray:
	if named.length() == 2 * FramehubHash.SIZE and named.is_valid_hex_number():
		return named.hex_decode()
	return hash_of(named)


func _go_on() -> void:
	while not _waiting.is_empty() and _fetching.size() - _waiting.size() < _AT_ONCE:
		_fetch(_waiting.pop_front() as PackedByteArray)


func _fetch(asset: PackedByteArray) -> void:
	var answer: FramehubAnswer = _fetching[asset]
	var fetched: FramehubAssetFetch = FramehubAssetFetch.new(client, _cache, asset)
	await fetched.run()
	_fetching.erase(asset)
	_done += 1
	progressed.emit(_done, _total)
	if _fetching.is_empty():
		_done = 0
		_total = 0
	_go_on()
	if fetched.code.is_empty():
		answer.value = _cache.path_of(asset)
		answer.finish(client.version())
	else:
		answer.refuse(fetched.code, fetched.text)


## Fetches files and loads them as a pack over what the game has: those named, those that begin with a path
## that ends with "/", what Godot has made of them, and what their resources name. What the game has already
## with the same content is left out. The answer's value is the number of files that were loaded. Load
## before the game has used the files: what it has loaded stays as it is.
func load_pack(wanted: PackedStringArray = ["res://"]) -> FramehubAnswer:
	var answer: FramehubAnswer = FramehubAnswer.new()
	if _cache == null or _tree.is_empty():
		answer.refuse("unavailable", "no release is known yet")
	else:
		_load(wanted, answer)
	return answer


func _load(wanted: PackedStringArray, answer: FramehubAnswer) -> void:
	var loading: FramehubAssetLoad = FramehubAssetLoad.new(self, _cache, _assets)
	await loading.run(wanted)
	_cache.trim(most_bytes, _assets.values())
	if loading.code.is_empty():
		answer.value = loading.count
		answer.finish(client.version())
	else:
		answer.refuse(loading.code, loading.text)

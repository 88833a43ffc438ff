extends FramehubTest
## What games fetch of exports.

const _CHUNK: int = FramehubHash.CHUNK


func _begin() -> FramehubTestHub:
	return await FramehubTestHub.begin(self, [], FramehubTestExport.schema(), FramehubTestExport.rules())


func _export(hub: FramehubTestHub, contents: Dictionary[String, PackedByteArray], preset: String = "Test") -> void:
	var exporter: FramehubExporter = FramehubTestExport.exporter(self, hub)
	exporter.preset = preset
	equal(exporter.run(FramehubTestExport.pack(self, hub, contents)), "", "words")


# A device with assets, whose cache is a folder of the hub's.
func _assets(hub: FramehubTestHub, setup: Callable = Callable()) -> FramehubAssets:
	var assets: FramehubAssets = FramehubAssets.new()
	assets.client = hub.client(self, setup)
	assets.folder = hub.folder.path_join("assets")
	tree.root.add_child(assets)
	later(func() -> void: assets.free())
	return assets


func _content(answer: FramehubAnswer) -> PackedByteArray:
	await answer.wait()
	equal([answer.code, answer.text], ["", ""], "refusal")
	return FileAccess.get_file_as_bytes(str(answer.value))


func test_by_path_and_by_hash() -> void:
	var hub: FramehubTestHub = await _begin()
	var large: PackedByteArray = FramehubTestExport.noise(3 * _CHUNK + 8, 1)
	var contents: Dictionary[String, PackedByteArray] = {
		"res://a/empty.txt": PackedByteArray(),
		"res://a/hello.txt": "hello".to_utf8_buffer(),
		"res://large.bin": large,
	}
	_export(hub, contents)
	var assets: FramehubAssets = _assets(hub)
	await until(func() -> bool: return assets.number == 1, "the release is known")
	equal(assets.paths(), PackedStringArray(["res://a/empty.txt", "res://a/hello.txt", "res://large.bin"]), "paths")
	equal(assets.paths("res://a/"), PackedStringArray(["res://a/empty.txt", "res://a/hello.txt"]), "paths of a folder")
	var told: Array = []
	assets.progressed.connect(func(done: int, total: int) -> void: told.append([done, total]))
	var all: Dictionary[String, FramehubAnswer] = {}
	for path: String in contents:
		all[path] = assets.fetch(path)
	for path: String in contents:
		equal(await _content(all[path]), contents[path], path)
	equal(told.back(), [3, 3], "progress")
	var hashed: PackedByteArray = assets.hash_of("res://large.bin")
	equal(await _content(assets.fetch(hashed)), large, "by its hash")
	hub.kill()  # what is there needs no hub
	equal(await _content(assets.fetch(hashed.hex_encode())), large, "by its hash as text")
	for nothing: Variant in ["res://nothing", PackedByteArray([1, 2])]:
		var missing: FramehubAnswer = await assets.fetch(nothing).wait()
		equal(missing.code, "missing", "what is not there")


# A device that takes small messages reads chunks in pieces.
func test_in_small_messages() -> void:
	var hub: FramehubTestHub = await _begin()
	var large: PackedByteArray = FramehubTestExport.noise(2 * _CHUNK + 8, 1)
	_export(hub, {"res://large.bin": large})
	var assets: FramehubAssets = _assets(hub, func(c: FramehubClient) -> void: c.max_message = 50000)
	await assets.released
	equal(await _content(assets.fetch("res://large.bin")), large, "the content")


func test_what_is_damaged_is_found() -> void:
	var hub: FramehubTestHub = await _begin()
	var contents: Dictionary[String, PackedByteArray] = {
		"res://one.bin": FramehubTestExport.noise(2 * _CHUNK, 1),
		"res://two.bin": FramehubTestExport.noise(2 * _CHUNK, 2),
	}
	_export(hub, contents)
	var assets: FramehubAssets = _assets(hub)
	await assets.released
	var path: String = (await assets.fetch("res://one.bin").wait()).value
	var file: FileAccess = FileAccess.open(path, FileAccess.READ_WRITE)
	file.seek(_CHUNK + 5)
	file.store_8(file.get_8() ^ 1)
	file.close()
	equal(await _content(assets.fetch("res://one.bin")), contents["res://one.bin"], "a file that was damaged on disk")
	# A bit of the second chunk, on the hub.
	var chunk: String = FramehubHash.of(contents["res://two.bin"].slice(_CHUNK)).hex_encode()
	var change: String = "UPDATE asset_chunk SET data = CAST(x'00' || substr(data, 2) AS BLOB) "
	change += "WHERE hash = x'%s' RETURNING 1"
	equal((await FramehubTestExport.ask(self, hub, change % chunk)).size(), 1, "the chunk")
	var damaged: FramehubAnswer = await assets.fetch("res://two.bin").wait()
	equal(damaged.code, "corrupt", damaged.text)
	check(damaged.text.contains("chunk 1"), damaged.text)
	await FramehubTestExport.ask(self, hub, "DELETE FROM asset_chunk WHERE hash = x'%s'" % chunk)
	equal((await assets.fetch("res://two.bin").wait()).code, "missing", "a chunk that is gone")
	_export(hub, contents)  # which sends it again
	equal(await _content(assets.fetch("res://two.bin")), contents["res://two.bin"], "after another export")
	# A list of files that is not what its hash says.
	var words: Array = []
	assets.failed.connect(func(code: String, _text: String) -> void: words.append(code))
	contents["res://three.bin"] = PackedByteArray([3])
	var forge: String = "INSERT INTO release SELECT 9, x'%s', 'Test', 0, 1, 1" % "ab".repeat(32)
	await FramehubTestExport.ask(self, hub, forge)
	await until(func() -> bool: return words == ["corrupt"], "a release without its files is refused")
	check(assets.paths().has("res://one.bin"), "the files of the release before are gone")


func test_the_hub_goes_and_comes_back() -> void:
	var hub: FramehubTestHub = await _begin()
	var large: PackedByteArray = Crypto.new().generate_random_bytes(40 * _CHUNK)
	_export(hub, {"res://large.bin": large})
	var assets: FramehubAssets = _assets(hub)
	await assets.released
	var answer: FramehubAnswer = assets.fetch("res://large.bin")
	var partial: String = assets.folder.path_join(assets.hash_of("res://large.bin").hex_encode() + ".part")
	await until(
		func() -> bool: return FileAccess.file_exists(partial) and FileAccess.get_size(partial) > 5 * _CHUNK,
		"some of it is there"
	)
	hub.kill()
	await until(func() -> bool: return not assets.client.is_live(), "the connection is lost")
	check(not answer.finished, "it was there before the hub was gone")
	await hub.start(self)
	equal(await _content(answer), large, "the content")


func test_releases_of_a_preset() -> void:
	var hub: FramehubTestHub = await _begin()
	var assets: FramehubAssets = _assets(hub)
	assets.preset = "Mine"
	var numbers: Array = []
	assets.released.connect(func(number: int) -> void: numbers.append(number))
	_export(hub, {"res://a": "1".to_utf8_buffer()}, "Mine")
	await until(func() -> bool: return numbers == [1], "the first")
	_export(hub, {"res://a": "2".to_utf8_buffer()}, "Other")
	_export(hub, {"res://a": "3".to_utf8_buffer()}, "Mine")
	await until(func() -> bool: return numbers == [1, 3], "the third: %s" % [numbers])
	equal(await _content(assets.fetch("res://a")), "3".to_utf8_buffer(), "the newest")
	_export(hub, {"res://a": "3".to_utf8_buffer()}, "Mine")
	await until(func() -> bool: return numbers == [1, 3, 4], "one with the same files")


# A scene as Godot exports it: its remap, the scene itself elsewhere, and a resource that it names.
func _level() -> Dictionary[String, PackedByteArray]:
	var folder: String = OS.get_user_data_dir()
	var gradient: Gradient = Gradient.new()
	gradient.colors = [Color.RED, Color.BLUE]
	ResourceSaver.save(gradient, folder.path_join("gradient.res"))
	gradient.take_over_path("res://dlc/gradient.res")
	var node: Node = Node.new()
	node.name = "Level"
	node.set_meta("gradient", gradient)
	var scene: PackedScene = PackedScene.new()
	scene.pack(node)
	node.free()
	ResourceSaver.save(scene, folder.path_join("level.scn"))
	return {
		"res://dlc/gradient.res": FileAccess.get_file_as_bytes(folder.path_join("gradient.res")),
		"res://.godot/exported/1/level.scn": FileAccess.get_file_as_bytes(folder.path_join("level.scn")),
		"res://dlc/level.tscn.remap": '[remap]\n\npath="res://.godot/exported/1/level.scn"\n'.to_utf8_buffer(),
		"res://dlc/other.txt": "other".to_utf8_buffer(),
		"res://tests/export_crate.tscn": FileAccess.get_file_as_bytes("res://tests/export_crate.tscn"),
	}


func test_a_pack_is_loaded() -> void:
	var hub: FramehubTestHub = await _begin()
	_export(hub, _level())
	var assets: FramehubAssets = _assets(hub)
	equal((await assets.load_pack().wait()).code, "unavailable", "before a release is known")
	await assets.released
	check(not ResourceLoader.exists("res://dlc/level.tscn"), "the level is there already")
	var missing: FramehubAnswer = await assets.load_pack(["res://dlc/none.tscn"]).wait()
	equal(missing.code, "missing", missing.text)
	var answer: FramehubAnswer = await assets.load_pack(["res://dlc/level.tscn"]).wait()
	equal([answer.code, answer.value], ["", 3], answer.text)
	var scene: PackedScene = load("res://dlc/level.tscn")
	var level: Node = scene.instantiate()
	equal((level.get_meta("gradient") as Gradient).colors[1], Color.BLUE, "what the level names")
	level.free()
	check(not FileAccess.file_exists("res://dlc/other.txt"), "what nobody wanted is there")
	# All of the release: what the game has already is left out.
	var rest: FramehubAnswer = await assets.load_pack().wait()
	equal([rest.code, rest.value], ["", 1], rest.text)
	equal(FileAccess.get_file_as_string("res://dlc/other.txt"), "other", "the rest")
	equal((await assets.load_pack().wait()).value, 0, "files that were loaded again")


func test_old_files_go() -> void:
	var hub: FramehubTestHub = await _begin()
	var assets: FramehubAssets = _assets(hub)
	for i: int in 3:
		_export(hub, {"res://a": FramehubTestExport.noise(1000, i), "res://b": "stays".to_utf8_buffer()})
		await until(func() -> bool: return assets.number == i + 1, "release %d" % i)
		await _content(assets.fetch("res://a"))
		await _content(assets.fetch("res://b"))
	equal(DirAccess.get_files_at(assets.folder).size(), 4, "files")
	var cache: FramehubAssetCache = FramehubAssetCache.new(assets.folder)
	cache.trim(2500, [assets.hash_of("res://a"), assets.hash_of("res://b")])
	equal(DirAccess.get_files_at(assets.folder).size(), 3, "files when one had to go")
	cache.trim(0, [assets.hash_of("res://a"), assets.hash_of("res://b")])
	equal(DirAccess.get_files_at(assets.folder).size(), 2, "those of the release stay")

extends FramehubTest
## Exports: what reaches the hub, and what is seen of it.

const _CHUNK: int = FramehubHash.CHUNK


func _begin() -> FramehubTestHub:
	return await FramehubTestHub.begin(self, [], FramehubTestExport.schema(), FramehubTestExport.rules())


func _contents() -> Dictionary[String, PackedByteArray]:
	return {
		"res://empty.txt": PackedByteArray(),
		"res://hello.txt": "hello".to_utf8_buffer(),
		"res://again/hello.txt": "hello".to_utf8_buffer(),
		"res://one.bin": FramehubTestExport.noise(_CHUNK, 1),
		"res://large.bin": FramehubTestExport.noise(3 * _CHUNK + 100, 2),
	}


func test_the_names_of_contents() -> void:
	# printf hello | sha256sum; the same of those bytes; and printf '%s  res://a\n' with that | sha256sum
	var chunk: PackedByteArray = FramehubHash.of("hello".to_utf8_buffer())
	equal(chunk.hex_encode(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "a chunk")
	var asset: String = "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50"
	equal(FramehubHash.of(chunk).hex_encode(), asset, "an asset")
	var listed: String = FramehubHash.of_tree({"res://a": FramehubHash.of(chunk)}).hex_encode()
	equal(listed, "33a2df745a1478a9fbb95c40f074484f37fd83f46d2991da509aab6f0c01da2a", "a tree")
	equal(FramehubHash.of(PackedByteArray()).hex_encode().left(8), "e3b0c442", "nothing")


func test_a_pack_is_read() -> void:
	var hub: FramehubTestHub = await _begin()
	var contents: Dictionary[String, PackedByteArray] = _contents()
	var path: String = FramehubTestExport.pack(self, hub, contents)
	var pack: FramehubPack = FramehubPack.new()
	equal(pack.open(path), "", "words")
	equal(pack.paths.size(), contents.size(), "files")
	for i: int in pack.paths.size():
		equal(pack.read(pack.offsets[i], pack.sizes[i]), contents[pack.paths[i]], pack.paths[i])
	# As part of a program: the pack, its size and the magic number behind something else.
	var whole: PackedByteArray = FileAccess.get_file_as_bytes(path)
	var program: FileAccess = FileAccess.open(path + ".exe", FileAccess.WRITE)
	program.store_string("program ")
	program.store_buffer(whole)
	program.store_64(whole.size())
	program.store_32(0x43504447)
	program.close()
	var within: FramehubPack = FramehubPack.new()
	equal(within.open(path + ".exe"), "", "words")
	equal(within.read(within.offsets[0], within.sizes[0]), contents[within.paths[0]], "the first file")
	# Cut short, and no pack.
	for length: int in range(0, whole.size(), whole.size() / 50):
		FileAccess.open(path + ".cut", FileAccess.WRITE).store_buffer(whole.slice(0, length))
		check(not FramehubPack.new().open(path + ".cut").is_empty(), "a pack of %d bytes is taken" % length)


func test_an_export_and_the_next_one() -> void:
	var hub: FramehubTestHub = await _begin()
	var contents: Dictionary[String, PackedByteArray] = _contents()
	var first: FramehubExporter = FramehubTestExport.exporter(self, hub)
	equal(first.run(FramehubTestExport.pack(self, hub, contents)), "", "words")
	equal([first.number, first.files], [1, 5], "release and files")
	equal(first.bytes_sent, 4 * _CHUNK + 105, "bytes sent")
	contents["res://large.bin"].encode_u32(_CHUNK + 8, 7)  # within the second chunk
	contents["res://new.txt"] = "new".to_utf8_buffer()
	contents.erase("res://one.bin")
	var second: FramehubExporter = FramehubTestExport.exporter(self, hub)
	equal(second.run(FramehubTestExport.pack(self, hub, contents)), "", "words")
	equal([second.number, second.bytes_sent], [2, _CHUNK + 3], "release and bytes sent")
	var third: FramehubExporter = FramehubTestExport.exporter(self, hub)
	equal(third.run(FramehubTestExport.pack(self, hub, contents)), "", "words")
	equal([third.number, third.bytes_sent], [3, 0], "release and bytes sent")
	var rows: Array[Dictionary] = await FramehubTestExport.ask(
		self, hub, "SELECT number, hex(tree) AS tree, preset, files, bytes FROM release ORDER BY number"
	)
	equal(rows.size(), 3, "releases")
	check(rows[0].tree != rows[1].tree and rows[1].tree == rows[2].tree, "trees: %s" % [rows])
	equal([rows[1].preset, rows[1].files, rows[1].bytes], ["Test", 5, 3 * _CHUNK + 113], "the second release")
	for query: String in [
		"SELECT 1 FROM release_asset WHERE asset NOT IN (SELECT hash FROM asset)",
		"SELECT 1 FROM asset WHERE size > 0 AND substr(chunks, 1, 32) NOT IN (SELECT hash FROM asset_chunk)",
		"SELECT 1 FROM release WHERE files != (SELECT count(*) FROM release_asset a WHERE a.tree = release.tree)",
	]:
		equal(await FramehubTestExport.ask(self, hub, query), [] as Array[Dictionary], query)


# The statements of docs/godot-export.md, for releases before the third.
func test_older_releases_go() -> void:
	var hub: FramehubTestHub = await _begin()
	for i: int in 3:
		var contents: Dictionary[String, PackedByteArray] = {
			"res://same.bin": FramehubTestExport.noise(_CHUNK + 4, 9),
			"res://other.bin": FramehubTestExport.noise(2 * _CHUNK + 4, i),
			"res://empty.bin": PackedByteArray(),
		}
		var exporter: FramehubExporter = FramehubTestExport.exporter(self, hub)
		equal(exporter.run(FramehubTestExport.pack(self, hub, contents)), "", "words")
	var text: String = FileAccess.get_file_as_string(project().path_join("docs/godot-export.md"))
	var statements: String = text.get_slice("```sql\n", 1).get_slice("```", 0).replace("100", "3")
	for statement: String in statements.split(";\n", false):
		await FramehubTestExport.ask(self, hub, statement)
	for left: Array in [["release", 1], ["release_asset", 3], ["asset", 3], ["asset_chunk", 5]]:
		var rows: Array[Dictionary] = await FramehubTestExport.ask(self, hub, "SELECT count(*) AS n FROM %s" % left[0])
		equal(rows[0].n, left[1], "rows of %s" % left[0])


func test_devices_are_not_sent_assets() -> void:
	var hub: FramehubTestHub = await _begin()
	var exporter: FramehubExporter = FramehubTestExport.exporter(self, hub)
	equal(exporter.run(FramehubTestExport.pack(self, hub, _contents())), "", "words")
	var player: FramehubClient = hub.client(self)
	await until(player.is_complete, "the player is live")
	var subscribed: Array = player.copy.subs.map(func(s: FramehubSub) -> String: return s.table)
	equal(subscribed, ["crate", "quest"], "what a device gets that does not say what it wants")
	check(player.statistics().bytes_in < 10000, "it was sent %d bytes" % player.statistics().bytes_in)


# 20 MiB, of which 8 are on their way at most.
func _large_pack(hub: FramehubTestHub) -> String:
	var contents: Dictionary[String, PackedByteArray] = {}
	for i: int in 40:
		contents["res://%d.bin" % i] = Crypto.new().generate_random_bytes(2 * _CHUNK)
	return FramehubTestExport.pack(self, hub, contents)


# The hub goes when most of it is there, and is back when somebody looks again.
func test_the_hub_is_lost_in_the_middle() -> void:
	var hub: FramehubTestHub = await _begin()
	var pack: String = _large_pack(hub)
	var half: Callable = func(done: int, total: int) -> void:
		if 4 * done > 3 * total:
			hub.kill()
	var lost: FramehubExporter = FramehubTestExport.exporter(self, hub, 1.0)
	lost.put("crate", {"id": 1, "x": 1.0})
	lost.progressed.connect(half)
	var words: String = lost.run(pack)
	check(words.contains("was away for 1 s"), "words: %s" % words)
	equal(lost.number, 0, "release")
	await hub.start(self)
	for table: String in ["release", "release_asset", "crate", "asset"]:
		var rows: Array[Dictionary] = await FramehubTestExport.ask(self, hub, "SELECT 1 FROM %s" % table)
		equal(rows.size(), 0, "rows of %s" % table)
	var again: FramehubExporter = FramehubTestExport.exporter(self, hub)
	again.put("crate", {"id": 1, "x": 1.0})
	equal(again.run(pack), "", "words")
	check(again.bytes_sent < 40 * 2 * _CHUNK, "all was sent again")
	equal((await FramehubTestExport.ask(self, hub, "SELECT x FROM crate, release"))[0], {"x": 1.0}, "the row")


func test_the_hub_comes_back_in_the_middle() -> void:
	var hub: FramehubTestHub = await _begin()
	var pack: String = _large_pack(hub)
	var exporter: FramehubExporter = FramehubTestExport.exporter(self, hub)
	var times: PackedInt32Array = [0]
	exporter.progressed.connect(
		func(done: int, total: int) -> void:
			if 4 * done > total * (times.size()) and times.size() < 3:
				times.append(done)
				hub.kill()
				hub.launch()
	)
	equal(exporter.run(pack), "", "words")
	equal([exporter.number, times.size()], [1, 3], "release, and times that the hub was killed")
	var chunks: Array[Dictionary] = await FramehubTestExport.ask(self, hub, "SELECT count(*) AS n FROM asset_chunk")
	equal(chunks[0].n, 80, "chunks")


# A release and its rows come in one frame; what a release no longer has goes with the next one.
func test_rows_come_with_the_release() -> void:
	var hub: FramehubTestHub = await _begin()
	var player: FramehubClient = hub.client(
		self, func(c: FramehubClient) -> void: c.tables_wanted = ["crate", "quest", "release"]
	)
	await until(player.is_complete, "the player is live")
	var seen: Array = []
	player.frame_applied.connect(
		func(_version: int, _time: int) -> void:
			var crates: Array = player.table("crate").keys().duplicate()
			crates.sort()
			var what: Array = [player.table("release").count, crates, player.table("quest").count]
			if seen.is_empty() or seen[-1] != what:
				seen.append(what)
	)
	var pack: String = FramehubTestExport.pack(self, hub, {"res://hello.txt": "hello".to_utf8_buffer()})
	for release: Array in [[[1, 2, 3], 9], [[2, 3, 4], 8]]:
		var exporter: FramehubExporter = FramehubTestExport.exporter(self, hub)
		for id: int in release[0]:
			exporter.put("crate", {"id": id, "x": 0.5 * id, "kind": "box"})
		exporter.put("quest", {"id": release[1], "title": "Find the lighthouse"})
		equal(exporter.run(pack), "", "words")
	await until(func() -> bool: return player.table("release").count == 2, "both releases")
	seen = seen.filter(func(s: Array) -> bool: return s[0] > 0)
	equal(seen, [[1, [1, 2, 3], 1], [2, [2, 3, 4], 1]], "what the player saw")
	equal(player.table("quest").keys(), [8], "quests")
	equal(player.table("crate").find(4, "x"), 2.0, "a value")
	# Another preset's export leaves them, and its own go with it.
	var other: FramehubExporter = FramehubTestExport.exporter(self, hub)
	other.preset = "Other"
	other.put("crate", {"id": 4, "x": 2.0})
	equal(other.run(pack), "", "words")
	var none: FramehubExporter = FramehubTestExport.exporter(self, hub)
	none.delete("quest", {"id": 8})
	equal(none.run(pack), "", "words")
	await until(func() -> bool: return player.table("release").count == 4, "four releases")
	equal([player.table("crate").keys(), player.table("quest").count], [[4], 0], "what is left")


func test_nodes_become_rows() -> void:
	var hub: FramehubTestHub = await _begin()
	var exporter: FramehubExporter = FramehubTestExport.exporter(self, hub)
	exporter.add_scene("res://tests/export_scene.tscn")
	exporter.add_scene("res://tests/export_crate.tscn")  # which has no key
	equal(exporter.run(FramehubTestExport.pack(self, hub, {"res://a": PackedByteArray()})), "", "words")
	var rows: Array[Dictionary] = await FramehubTestExport.ask(self, hub, "SELECT * FROM crate ORDER BY id")
	equal(rows.size(), 2, "rows")
	equal(rows[0], {"id": 1, "x": 10.0, "y": 20.0, "kind": "Left"}, "a row")
	equal(rows[1], {"id": 2, "x": -5.0, "y": 20.0, "kind": "Right"}, "a row")


func test_what_fails_says_why() -> void:
	var hub: FramehubTestHub = await _begin()
	var pack: String = FramehubTestExport.pack(self, hub, {"res://a": PackedByteArray()})
	for case: Array in [
		["a table that is not there", func(e: FramehubExporter) -> void: e.put("crates", {"id": 1}), "no table crates"],
		[
			"a column that is not there",
			func(e: FramehubExporter) -> void: e.put("crate", {"id": 1, "z": 1}),
			"column z"
		],
		[
			"a value that SQL refuses",
			func(e: FramehubExporter) -> void: e.put("crate", {"id": 1, "x": "far"}),
			"crate.x"
		],
		[
			"two rows with one key",
			func(e: FramehubExporter) -> void:
				e.put("crate", {"id": 1, "x": 1.0})
				e.put("crate", {"id": 1, "x": 2.0}),
			"another one"
		],
		[
			"more rows than a transaction holds",
			func(e: FramehubExporter) -> void:
				for i: int in 200:
					e.put("quest", {"id": i, "title": "%d" % i + "long".repeat(1500)}),
			"the hub takes 1024 KiB"
		],
	]:
		var exporter: FramehubExporter = FramehubTestExport.exporter(self, hub)
		case[1].call(exporter)
		var words: String = exporter.run(pack)
		check(words.contains(case[2] as String), "%s: %s" % [case[0], words])
	equal(FramehubTestExport.exporter(self, hub).run("/nowhere.pck").left(12), "/nowhere.pck", "words")
	var role: FramehubExporter = FramehubTestExport.exporter(self, hub)
	ProjectSettings.set_setting(FramehubSettings.EXPORT_ROLE, "server")
	var refused: String = role.run(pack)
	ProjectSettings.set_setting(FramehubSettings.EXPORT_ROLE, null)
	check(refused.contains("assets.toml"), "words: %s" % refused)
	var bare: FramehubTestHub = await FramehubTestHub.begin(self)
	var missing: String = FramehubTestExport.exporter(self, bare).run(pack)
	check(missing.contains("assets.sql"), "words: %s" % missing)
	var rows: Array[Dictionary] = await FramehubTestExport.ask(self, hub, "SELECT 1 FROM release")
	equal(rows.size(), 0, "releases")

extends FramehubTest
## Does what docs/godot.md says, step by step, with the files as they stand there.


# The files of the guide, by name: its blocks that name one.
func _files() -> Dictionary[String, String]:
	var files: Dictionary[String, String] = {}
	var name: String = ""
	for line: String in FileAccess.get_file_as_string(project().path_join("docs/godot.md")).split("\n"):
		if line == "```":
			name = ""
		elif line.begins_with("```"):
			name = line.get_slice(" ", 1) if line.contains(" ") else ""
		elif not name.is_empty():
			files[name] = files.get(name, "") + line + "\n"
	return files


func _copy(from: String, to: String) -> void:
	DirAccess.make_dir_recursive_absolute(to)
	for file: String in DirAccess.get_files_at(from):
		DirAccess.copy_absolute(from.path_join(file), to.path_join(file))
	for folder: String in DirAccess.get_directories_at(from):
		_copy(from.path_join(folder), to.path_join(folder))


func _write(folder: String, name: String, content: String) -> void:
	var file: FileAccess = FileAccess.open(folder.path_join(name), FileAccess.WRITE)
	file.store_string(content)
	file.close()


func _godot(arguments: PackedStringArray) -> String:
	var output: Array = []
	var code: int = OS.execute(OS.get_environment("GODOT"), ["--headless"] + Array(arguments), output, true)
	equal(code, 0, "%s: %s" % [arguments, output])
	return output[0]


func _position(game: FramehubTestProcess, device: String) -> Vector2:
	var said: PackedStringArray = game.lines("player")
	for i: int in range(said.size() - 1, -1, -1):
		var words: PackedStringArray = said[i].split(" ")
		if words[0] == device:
			return Vector2(words[1].to_float(), words[2].to_float())
	return Vector2.INF


func test_ten_steps() -> void:
	var files: Dictionary[String, String] = _files()
	equal(
		files.keys(),
		["schema.sql", "framehub.toml", "player.tscn", "player.gd", "main.tscn", "main.gd"],
		"the guide's files"
	)
	# 1, 2
	var game: String = OS.get_user_data_dir().path_join("two-players-%d" % OS.get_process_id())
	DirAccess.make_dir_recursive_absolute(game)
	_write(
		game,
		"project.godot",
		(
			'config_version=5\n[application]\nconfig/name="two-players"\n'
			+ '[editor_plugins]\nenabled=PackedStringArray("res://addons/framehub/plugin.cfg")\n'
		)
	)
	_copy(project().path_join("godot/addons"), game.path_join("addons"))
	# 3, 4, 5
	var hub: FramehubTestHub = await FramehubTestHub.begin(self, [], files["schema.sql"], files["framehub.toml"])
	# 6, 7, 8, 9
	for name: String in ["player.tscn", "player.gd", "main.tscn", "main.gd"]:
		_write(game, name, files[name])
	DirAccess.copy_absolute(ProjectSettings.globalize_path("res://tests/guide_game.gd"), game.path_join("game.gd"))
	var imported: String = _godot(["--path", game, "--import"])
	check(not imported.contains("SCRIPT ERROR") and not imported.contains("Parse Error"), imported)
	var one: FramehubTestProcess = FramehubTestProcess.run(self, game, "game.gd", [hub.url, "ui_right"])
	if not await until(func() -> bool: return one.lines("device").size() == 1, "a square"):
		return fail(one.said())
	var first: String = one.lines("device")[0]
	await until(func() -> bool: return _position(one, first).x == 1152.0, "it has walked to the right edge")
	var watcher: FramehubClient = hub.client(self)
	await until(func() -> bool: return watcher.table("player") != null and watcher.table("player").count == 1, "a row")
	# 10
	var two: FramehubTestProcess = FramehubTestProcess.run(self, game, "game.gd", [hub.url, "ui_down"])
	if not await until(func() -> bool: return two.lines("device").size() == 1, "the other one's square"):
		return fail(two.said())
	await until(func() -> bool: return watcher.table("player").count == 2, "two rows")
	var rows: FramehubTable = watcher.table("player")
	var second: String = ""
	for key: PackedByteArray in rows.keys():
		if key.hex_encode() != first:
			second = key.hex_encode()
	await until(func() -> bool: return _position(two, second).y == 648.0, "it has walked to the lower edge")
	for device: String in [first, second]:
		await until(
			func() -> bool: return _position(one, device) == _position(two, device),
			"both show %s in one place" % device
		)
	# And what else is true.
	hub.kill()
	equal(await hub.start(self), true, "the hub is back")
	await until(func() -> bool: return watcher.is_live() and watcher.copy.complete_to(0), "live again")
	var server: FramehubClient = hub.client(self, func(c: FramehubClient) -> void: c.role = "server")
	await until(func() -> bool: return server.is_live(), "a server")
	var moved: FramehubAnswer = await server.sql("UPDATE player SET x = 500").wait()
	equal(moved.code, "", moved.text)
	await until(func() -> bool: return _position(one, second).x == 500.0, "the other one shows the new place")
	await until(func() -> bool: return _position(two, second).x == 500.0, "and so does its own game")
	for process: FramehubTestProcess in [one, two]:
		check(not process.said().contains("refused"), process.said().right(500))
		check(not process.said().contains("ERROR"), process.said().right(500))

extends FramehubTest
## Exports as Godot does them: an editor without a window, and a project of its own with the addon.

const _PRESETS: String = """[preset.0]
name="Linux"
platform="Linux"
runnable=true
export_filter="all_resources"
include_filter="*.bin"
exclude_filter=""
export_path=""

[preset.0.options]
custom_template/debug=""
custom_template/release="%s"
binary_format/embed_pck=false
"""
const _PROJECT: String = """config_version=5
[application]
config/name="Exported"
run/main_scene="res://main.tscn"
config/features=PackedStringArray("4.6")
[editor_plugins]
enabled=PackedStringArray("res://addons/framehub/plugin.cfg")
[framehub]
url="%s"
export/presets=PackedStringArray("Linux")
export/script="res://rows.gd"
export/patience_seconds=1.0
"""
# What the example's own project does not say.
const _EXAMPLE: String = """
[framehub]
url="%s"
export/presets=PackedStringArray("Linux")
"""
const _SCRIPT: String = """extends RefCounted

func _framehub_export(exporter: FramehubExporter) -> void:
	exporter.put("quest", {"id": 1, "title": "Find the lighthouse"})
"""
# A game that says what it has, fetches the newest release, and says it again.
const _MAIN: String = """[gd_scene format=3]
[ext_resource type="Script" path="res://main.gd" id="1"]
[node name="Main" type="Node"]
script = ExtResource("1")
"""
const _GAME: String = """extends Node

func _ready() -> void:
	var hub: FramehubClient = FramehubClient.new()
	hub.keep_device = false
	hub.everything = false
	add_child(hub)
	var assets: FramehubAssets = FramehubAssets.new()
	assets.client = hub
	assets.preset = "Linux"
	assets.released.connect(_on_released.bind(assets))
	add_child(assets)

func _on_released(number: int, assets: FramehubAssets) -> void:
	print("before ", load("res://level.tscn").instantiate().name if ResourceLoader.exists("res://level.tscn") else "none")
	var answer: FramehubAnswer = await assets.load_pack(["res://level.tscn"]).wait()
	print("release ", number, " ", answer.code, answer.text, " ", answer.value)
	print("after ", load("res://level.tscn").instantiate().name)
	print("next ", load("res://next.gd").new().word())
	get_tree().quit()
"""

static var _folder: String = ""  # made once: an import takes its time


func _begin() -> FramehubTestHub:
	var hub: FramehubTestHub = await FramehubTestHub.begin(
		self, [], FramehubTestExport.schema(), FramehubTestExport.rules()
	)
	if _folder.is_empty():
		_make_project(hub)
	_store("project.godot", (_PROJECT % hub.url).to_utf8_buffer())
	return hub


func _make_project(hub: FramehubTestHub) -> void:
	_folder = hub.folder.path_join("project")
	DirAccess.make_dir_recursive_absolute(_folder.path_join("tests"))
	OS.execute("cp", ["-r", ProjectSettings.globalize_path("res://addons"), _folder])
	for scene: String in ["export_scene.tscn", "export_crate.tscn"]:
		DirAccess.copy_absolute("res://tests/" + scene, _folder.path_join("tests/" + scene))
	_store("project.godot", (_PROJECT % hub.url).to_utf8_buffer())
	_store("export_presets.cfg", (_PRESETS % OS.get_environment("GODOT_TEMPLATE")).to_utf8_buffer())
	_store("main.tscn", _MAIN.to_utf8_buffer())
	_store("main.gd", _GAME.to_utf8_buffer())
	_store("rows.gd", _SCRIPT.to_utf8_buffer())
	_store("data.bin", FramehubTestExport.noise(600000, 5))
	_godot(["--import"])


func _store(name: String, bytes: PackedByteArray) -> void:
	FileAccess.open(_folder.path_join(name), FileAccess.WRITE).store_buffer(bytes)


# Runs Godot on the project. Returns its exit code and what it said.
func _godot(arguments: PackedStringArray) -> Array:
	var out: Array = []
	var all: PackedStringArray = ["90", OS.get_environment("GODOT"), "--headless", "--path", _folder]
	all.append_array(arguments)
	var code: int = OS.execute("timeout", all, out, true)
	return [code, str(out[0])]


func _export(to: String) -> Array:
	return _godot(["--export-pack", "Linux", _folder.path_join(to)])


func test_an_export_of_the_editor_and_the_next_one() -> void:
	var hub: FramehubTestHub = await _begin()
	var first: Array = _export("game.pck")
	equal(first[0], 0, "exit code")
	check(first[1].contains("Framehub: release 1 of Linux"), first[1] as String)
	var crates: Array[Dictionary] = await FramehubTestExport.ask(
		self, hub, "SELECT crate.id, x FROM crate, quest ORDER BY crate.id"
	)
	equal(crates, [{"id": 1, "x": 10.0}, {"id": 2, "x": -5.0}] as Array[Dictionary], "rows")
	_store("data.bin", FramehubTestExport.noise(600000, 6))
	var second: Array = _export("game.pck")
	check(second[1].contains("of which 585.9 KiB were new"), second[1] as String)


# Of an archive Godot is asked for the pack in it.
func test_an_archive_and_a_hub_that_is_gone() -> void:
	var hub: FramehubTestHub = await _begin()
	var archive: Array = _export("game.zip")
	equal(archive[0], 0, "exit code")
	check(archive[1].contains("Framehub: release 1 of Linux"), archive[1] as String)
	hub.kill()
	var lost: Array = _export("lost.pck")
	equal(lost[0], 1, "exit code")
	check(lost[1].contains("was away for 1 s"), lost[1] as String)
	check(not FileAccess.file_exists(_folder.path_join("lost.pck")), "the pack of a failed export is there")
	# A preset that is not named is Godot's business alone.
	_store("project.godot", (_PROJECT % hub.url).replace('("Linux")', "()").to_utf8_buffer())
	var alone: Array = _export("alone.pck")
	check(alone[0] == 0 and FileAccess.file_exists(_folder.path_join("alone.pck")), alone[1] as String)


# A game that was exported before there was a level fetches it, with what it names, of what was exported since.
func test_a_game_fetches_what_is_new() -> void:
	await _begin()
	check(_export("old.pck")[0] == 0, "the first export")
	_store("next.gd", 'extends Node\n\nfunc word() -> String:\n\treturn "lighthouse"\n'.to_utf8_buffer())
	var level: String = '[gd_scene format=3]\n[ext_resource type="Script" path="res://next.gd" id="1"]\n'
	level += '[node name="Lighthouse" type="Node"]\nscript = ExtResource("1")\n'
	_store("level.tscn", level.to_utf8_buffer())
	check(_export("new.pck")[0] == 0, "the second export")
	var out: Array = []
	var game: PackedStringArray = ["60", OS.get_environment("GODOT"), "--headless", "--main-pack"]
	game.append(_folder.path_join("old.pck"))
	var code: int = OS.execute("timeout", game, out, true)
	equal(code, 0, "exit code")
	for line: String in ["before none", "release 2  4", "after Lighthouse", "next lighthouse"]:
		check(str(out[0]).contains(line + "\n"), "no line %s in: %s" % [line, out[0]])


# The example, as players get it: exported with a template, streamed, and started without an editor.
func test_the_example_as_a_game() -> void:
	if OS.get_environment("GODOT_TEMPLATE").is_empty():
		print("skipped: no GODOT_TEMPLATE")
		return
	var hub: FramehubTestHub = await FramehubTestHub.begin(self, [], _city("schema.sql"), _city("framehub.toml"))
	_folder = hub.folder.path_join("example")
	DirAccess.make_dir_recursive_absolute(_folder)
	for folder: String in ["addons", "example"]:
		OS.execute("cp", ["-r", ProjectSettings.globalize_path("res://" + folder), _folder])
	var settings: String = FileAccess.get_file_as_string("res://project.godot") + _EXAMPLE % hub.url
	_store("project.godot", settings.to_utf8_buffer())
	_store("export_presets.cfg", (_PRESETS % OS.get_environment("GODOT_TEMPLATE")).to_utf8_buffer())
	_godot(["--import"])
	var exported: Array = _godot(["--export-release", "Linux", _folder.path_join("square.x86_64")])
	var program: String = _folder.path_join("square.x86_64")
	_folder = ""
	equal(exported[0], 0, "exit code")
	check(exported[1].contains("Framehub: release 1 of Linux"), exported[1] as String)
	var watcher: FramehubClient = hub.client(self)
	await until(func() -> bool: return watcher.is_complete(), "the test watches")
	var players: FramehubTable = watcher.table("entity")
	var before: int = players.count
	var command: PackedStringArray = [program, "--headless", "--", "--url", hub.url, "--bots", "2"]
	var game: Dictionary = OS.execute_with_pipe(OS.get_environment("GODOT_RUN_EXPORTED"), command, false)
	later(func() -> void: OS.kill(game.pid as int))
	await until(func() -> bool: return players.count == before + 2, "two bots of the exported game are there")
	check(not (game.stdio as FileAccess).get_as_text().contains("SCRIPT ERROR"), "the game has errors")


# A file of the city, with what exports need.
func _city(name: String) -> String:
	var own: String = FileAccess.get_file_as_string(project().path_join("examples/city").path_join(name))
	var extra: String = "assets.sql" if name.ends_with(".sql") else "assets.toml"
	return own + "\n" + FileAccess.get_file_as_string("res://addons/framehub/export/" + extra)

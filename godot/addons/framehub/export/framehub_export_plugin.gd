@tool
extends EditorExportPlugin
## Streams an export to the hub, when Godot has written it: see docs/godot-export.md.

const _FAILED: int = 1

var _preset: String = ""
var _debug: bool = false
var _path: String = ""
var _flags: int = 0
var _began: int = 0
var _scenes: PackedStringArray = []
var _packing: bool = false  # a second export, of the pack that the first one has put into something else
var _progress: FramehubExportProgress = null


func _get_name() -> String:
	return "Framehub"


func _export_begin(_features: PackedStringArray, is_debug: bool, path: String, flags: int) -> void:
	if _packing:
		return
	_preset = get_export_preset().get_preset_name()
	_debug = is_debug
	_path = path
	_flags = flags
	_began = int(Time.get_unix_time_from_system())
	_scenes.clear()


func _export_file(path: String, type: String, _features: PackedStringArray) -> void:
	if not _packing and type == "PackedScene":
		_scenes.append(path)


func _export_end() -> void:
	if _packing or _preset not in (FramehubSettings.of(FramehubSettings.EXPORT_PRESETS) as PackedStringArray):
		return
	if not _is_new(_path):
		return  # the export itself has failed, and said so
	var words: String = _stream()
	if not words.is_empty():
		_fail(words)


func _is_new(path: String) -> bool:
	return FileAccess.file_exists(path) and FileAccess.get_modified_time(path) >= _began


func _stream() -> String:
	var pack: String = _pack()
	var own: bool = pack.is_empty()
	if own:
		pack = _make_pack()
	if pack.is_empty():
		return "the export holds no pack that can be read, and none can be made beside it"
	_progress = FramehubExportProgress.new(FramehubExportProgress.front())
	var words: String = _export(pack)
	_progress.end()
	if own:
		DirAccess.remove_absolute(pack)
	return words


# The pack of the export: the file itself, or one beside it.
func _pack() -> String:
	for path: String in [_path, _path.get_basename() + ".pck"]:
		if _is_new(path) and FramehubPack.is_pack(path):
			return path
	return ""


# Where the files have gone into an archive, as for Android, they are packed once more.
func _make_pack() -> String:
	var path: String = OS.get_cache_dir().path_join("framehub-export-%d.pck" % OS.get_process_id())
	_packing = true
	var made: Error = get_export_platform().export_pack(get_export_preset(), _debug, path, _flags)
	_packing = false
	return path if made == OK and FramehubPack.is_pack(path) else ""


func _export(pack: String) -> String:
	var exporter: FramehubExporter = FramehubExporter.new()
	exporter.preset = _preset
	exporter.progressed.connect(_progress.show)
	for scene: String in _scenes:
		exporter.add_scene(scene)
	var words: String = _ask_project(exporter)
	if words.is_empty():
		words = exporter.run(pack)
	if words.is_empty():
		print(_summary(exporter))
	return words


func _ask_project(exporter: FramehubExporter) -> String:
	var path: String = FramehubSettings.of(FramehubSettings.EXPORT_SCRIPT)
	if path.is_empty():
		return ""
	var script: GDScript = load(path) as GDScript if ResourceLoader.exists(path) else null
	var asked: Object = script.new() if script != null else null
	if asked == null:
		return "the script %s of the setting %s can't be run" % [path, FramehubSettings.EXPORT_SCRIPT]
	if not asked.has_method(&"_framehub_export"):
		return "the script %s has no method _framehub_export(exporter)" % path
	asked.call(&"_framehub_export", exporter)
	if asked is Node:
		asked.free()
	return ""


func _summary(exporter: FramehubExporter) -> String:
	var sizes: Array[String] = []
	for size: int in [exporter.bytes, exporter.bytes_sent]:
		sizes.append(String.humanize_size(size))
	return (
		"Framehub: release %d of %s: %d files, %s, of which %s were new (%.1f s)"
		% [exporter.number, _preset, exporter.files, sizes[0], sizes[1], _progress.seconds()]
	)


# The engine takes no word of a plugin for a failure: so the files go, and a Godot without a window ends with
# an exit code of its own.
func _fail(words: String) -> void:
	get_export_platform().add_message(EditorExportPlatform.EXPORT_MESSAGE_ERROR, "Framehub", words)
	for path: String in [_path, _path.get_basename() + ".pck"]:
		if _is_new(path):
			DirAccess.remove_absolute(path)
	if DisplayServer.get_name() == "headless":
		(Engine.get_main_loop() as SceneTree).quit.call_deferred(_FAILED)

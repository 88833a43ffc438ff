extends SceneTree
## Plays the example beside bots, takes pictures of it and ends: what [code]scripts/pictures[/code] runs in a Godot
## that draws.
##
## Each picture goes into the folder FRAMEHUB_SCREENSHOTS, as PNG; where FRAMEHUB_PICTURES has a file of its name, as
## WebP there too.

const _BOTS: int = 14
const _QUALITY: float = 0.8

var _test: FramehubTest = FramehubTest.new()
var _world: ExampleWorld = null


func _initialize() -> void:
	Engine.max_fps = 60
	_test.tree = self
	process_frame.connect(_run, CONNECT_ONE_SHOT)


func _run() -> void:
	await _take_all()
	await _test.clean_up()
	for words: String in _test.failures:
		print("FAILED ", words)
	quit(0 if _test.failures.is_empty() else 1)


func _take_all() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(_test)
	var options: PackedStringArray = ["--headless", "--path", ProjectSettings.globalize_path("res://")]
	options.append_array(["--", "--url", hub.url, "--bots", str(_BOTS)])
	var bots: int = OS.create_process(OS.get_environment("GODOT"), options)
	_test.later(func() -> void: OS.kill(bots))
	_world = (load("res://example/main.tscn") as PackedScene).instantiate()
	(_world.get_node("FramehubClient") as FramehubClient).url = hub.url
	root.add_child(_world)
	_test.later(func() -> void: _world.free())
	if not await _test.until(func() -> bool: return _world.players.count() == _BOTS + 1, "all are here", 120.0):
		return
	for i: int in 4:
		_wheel(MOUSE_BUTTON_WHEEL_DOWN)  # further away
	await _walk(KEY_W, 2.0)
	await _take("example")
	await _key(KEY_F3)
	await _walk(KEY_D, 2.0)
	await _take("example-figures")
	await _key(KEY_F3)
	hub.kill()
	await _test.until(func() -> bool: return not _world.hub.is_live(), "the hub has gone")
	await _wait(1.0)
	await _take("example-no-hub")


# Walks so many seconds of the game's, which go slowly where nothing helps with drawing.
func _walk(key: Key, seconds: float) -> void:
	_press(key, true)
	await _wait(seconds)
	_press(key, false)


func _key(key: Key) -> void:
	_press(key, true)
	await process_frame
	_press(key, false)


func _press(key: Key, pressed: bool) -> void:
	var event: InputEventKey = InputEventKey.new()
	event.keycode = key
	event.physical_keycode = key
	event.pressed = pressed
	Input.parse_input_event(event)


func _wheel(button: MouseButton) -> void:
	var event: InputEventMouseButton = InputEventMouseButton.new()
	event.button_index = button
	event.pressed = true
	Input.parse_input_event(event)


func _wait(seconds: float) -> void:
	await create_timer(seconds, true, true).timeout


func _take(name: String) -> void:
	await RenderingServer.frame_post_draw
	var picture: Image = root.get_texture().get_image()
	print("%s: %d frames/s" % [name, Engine.get_frames_per_second()])
	var folder: String = OS.get_environment("FRAMEHUB_SCREENSHOTS")
	if not folder.is_empty():
		picture.save_png(folder.path_join("%s.png" % name))
	var document: String = OS.get_environment("FRAMEHUB_PICTURES").path_join("%s.webp" % name)
	if FileAccess.file_exists(document):
		picture.save_webp(document, true, _QUALITY)

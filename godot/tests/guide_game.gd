extends SceneTree
## Plays the game of docs/godot.md in its place: [code]-- URL KEY[/code], where KEY is an action that is held, or
## [code]none[/code]. Says [code]player DEVICE X Y[/code] for each square that is shown and has moved.

var _said: Dictionary[PackedByteArray, Vector2] = {}


func _initialize() -> void:
	Engine.max_fps = 60
	var arguments: PackedStringArray = OS.get_cmdline_user_args()
	ProjectSettings.set_setting("framehub/url", arguments[0])
	change_scene_to_file("res://main.tscn")
	if arguments[1] != "none":
		Input.action_press(arguments[1])


func _process(_delta: float) -> bool:
	var main: Node = current_scene
	if main != null:
		for player: Node in main.get_node("FramehubSpawner").get_children():
			_say(main.get("hub"), player as Node2D)
	return false


func _say(hub: FramehubClient, player: Node2D) -> void:
	var key: PackedByteArray = (player.get("row") as FramehubRow).key
	if _said.is_empty():
		print("device ", hub.device.hex_encode())
	if _said.get(key) != player.position:
		_said[key] = player.position
		print("player %s %.2f %.2f" % [key.hex_encode(), player.position.x, player.position.y])

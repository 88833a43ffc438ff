extends SceneTree
## Plays the example, with its own options behind [code]--[/code], and tells what it shows:
## [code]players N[/code] when there are more or fewer, [code]player ID X Y[/code] and [code]thing ID X Y Z[/code],
## in the city's metres, when one has moved.

const _LEAST: float = 0.01  # metres

var _said: Dictionary[int, Vector3] = {}
var _count: int = -1


func _initialize() -> void:
	Engine.max_fps = 60
	change_scene_to_file("res://example/main.tscn")


func _process(_delta: float) -> bool:
	var world: ExampleWorld = current_scene as ExampleWorld
	if world == null or not world.is_node_ready():
		return false
	if world.players.count() != _count:
		_count = world.players.count()
		print("players ", _count)
	for node: Node in world.players.get_children():
		var player: ExamplePlayer = node
		if _moved(player.row.key as int, player.position):
			print("player %d %.3f %.3f" % [player.row.key, player.east, player.north])
	for node: Node in world.things.get_children():
		var thing: ExampleThing = node
		if _moved(-(thing.row.key as int), thing.position):
			print("thing %d %.3f %.3f %.3f" % [thing.row.key, thing.east, thing.north, thing.up])
	return false


func _moved(id: int, to: Vector3) -> bool:
	if _said.has(id) and _said[id].distance_to(to) < _LEAST:
		return false
	_said[id] = to
	return true

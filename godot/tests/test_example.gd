extends FramehubTest
## Plays godot/example in processes of their own, against the city of `make run`.

const _NEAR: float = 0.5  # metres
const _PLACES: int = 100


## A running example, and what it has shown.
class Game:
	extends RefCounted
	var process: FramehubTestProcess = null
	## How many players it shows.
	var players: int = 0
	## Where it has shown things, in turn, by their ids.
	var paths: Dictionary[int, PackedVector3Array] = {}
	var _read: int = 0

	## Takes in what it has told since the last call.
	func look() -> void:
		var said: String = process.said()
		var end: int = said.rfind("\n") + 1
		for line: String in said.substr(_read, maxi(0, end - _read)).split("\n", false):
			var words: PackedStringArray = line.split(" ")
			if words[0] == "players":
				players = words[1].to_int()
			elif words[0] == "thing" and words.size() == 5:
				var at: Vector3 = Vector3(words[2].to_float(), words[3].to_float(), words[4].to_float())
				paths.get_or_add(words[1].to_int(), PackedVector3Array())
				paths[words[1].to_int()].append(at)
		_read = maxi(_read, end)

	## How many things it has shown on the move, two metres of way or more.
	func moved() -> int:
		var count: int = 0
		for path: PackedVector3Array in paths.values():
			var way: float = 0.0
			for i: int in range(1, path.size()):
				way += path[i].distance_to(path[i - 1])
			count += 1 if way > 2.0 else 0
		return count


func _game(hub: FramehubTestHub, bots: int) -> Game:
	var game: Game = Game.new()
	var options: PackedStringArray = ["--url", hub.url, "--bots", str(bots)]
	var folder: String = ProjectSettings.globalize_path("res://")
	game.process = FramehubTestProcess.run(self, folder, "tests/example_game.gd", options)
	return game


func _until(games: Array[Game], holds: Callable, what: String) -> bool:
	return await until(
		func() -> bool:
			for game: Game in games:
				game.look()
			return holds.call(),
		what,
		60.0
	)


func test_they_see_each_other_and_things_move_in_step() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var watcher: FramehubClient = hub.client(self)
	await until(func() -> bool: return watcher.is_complete(), "the test watches")
	var things: FramehubTable = watcher.table("thing")
	var onlooker: Game = _game(hub, 0)
	var one: Game = _game(hub, 3)
	var other: Game = _game(hub, 2)
	var games: Array[Game] = [onlooker, one, other]
	await _until(games, func() -> bool: return onlooker.paths.size() == things.count, "all things are shown")
	await _until(games, func() -> bool: return games.all(func(g: Game) -> bool: return g.players == 5), "all show five")
	# Somebody who is no Godot at all: a row like any other.
	watcher.write(FramehubTx.new().put("entity", {"id": 7, "x": 505.0, "y": 495.0, "zone": 2, "owner": "a browser"}))
	await _until(games, func() -> bool: return games.all(func(g: Game) -> bool: return g.players == 6), "all show six")
	await _until(games, func() -> bool: return onlooker.moved() >= 3, "three things were pushed, as the onlooker saw")
	one.process.kill()
	other.process.kill()
	await _until(games, func() -> bool: return onlooker.players == 1, "those whose games were killed have gone")
	_compare(onlooker, [one, other])
	for id: int in onlooker.paths:
		var row: int = things.row_of(id)
		var at: Vector3 = Vector3(things.value(row, "x"), things.value(row, "y"), things.value(row, "z"))
		var end: Vector3 = onlooker.paths[id][-1]
		check(at.distance_to(end) < 0.05, "thing %d is shown at %s, and is at %s" % [id, end, at])
	for game: Game in games:
		check(not game.process.said().contains("ERROR"), game.process.said().right(2000))
		check(not game.process.said().contains("refused"), game.process.said().right(2000))


# Wherever the onlooker has shown a thing, one of those who push has shown it too.
func _compare(onlooker: Game, pushers: Array[Game]) -> void:
	var compared: int = 0
	for id: int in onlooker.paths:
		for at: Vector3 in onlooker.paths[id]:
			compared += 1
			if pushers.all(func(g: Game) -> bool: return _off(at, g.paths[id]) > _NEAR):
				fail("thing %d was shown at %s, where nobody has pushed it" % [id, at])
	check(compared > _PLACES, "only %d places were compared" % compared)


# How far a place is from a path.
func _off(at: Vector3, path: PackedVector3Array) -> float:
	var least: float = at.distance_to(path[0])
	for i: int in range(1, path.size()):
		least = minf(least, at.distance_to(Geometry3D.get_closest_point_to_segment(at, path[i - 1], path[i])))
	return least

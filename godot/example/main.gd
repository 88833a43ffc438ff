class_name ExampleWorld
extends Node3D
## The square in the middle of the example city, where many walk and push things.
##
## [codeblock lang=text]
## godot --path godot                                    # one player, against `make run`
## godot --path godot -- --name Ada --bots 8
## godot --path godot --headless -- --bots 30 --url ws://127.0.0.1:8080/v1/sync
## [/codeblock]

const _BOT_NAMES: PackedStringArray = [
	"Ada", "Bo", "Cleo", "Dai", "Eva", "Fox", "Gus", "Hana", "Ivo", "June", "Kit", "Lea"
]
const _FIGURES: Key = KEY_F3
const _NOT_HERE: String = "No hub at %s\n\nStart one in Framehub's folder:  make run"
const _LOST: String = "The hub at %s has gone\n\nTrying again ..."
const _OLD_CITY: String = (
	"This hub's city has no things to push: its database is older than this example.\n\n"
	+ "Stop it, remove the folder data, and start it again:  make run"
)

var _mine: Dictionary[int, Callable] = {}  # what moves each of this game's players, by their rows' ids
var _names: Dictionary[int, String] = {}
var _bots: Array[ExampleBot] = []
var _me: int = 0  # whom the keyboard moves; 0: nobody
var _was_here: bool = false

@onready var hub: FramehubClient = $FramehubClient
@onready var players: FramehubSpawner = $Players
@onready var things: FramehubSpawner = $Things
@onready var buildings: FramehubSpawner = $Buildings
@onready var _camera: ExampleCamera = $Camera
@onready var _overlay: FramehubOverlay = $FramehubOverlay
@onready var _message: Label = $Hud/Message
@onready var _hint: Label = $Hud/Hint


func _ready() -> void:
	if DisplayServer.get_name() != "headless":
		_me = _add_player(_option("--name", "Player %d" % randi_range(1, 999)), _walk)
	for i: int in _option("--bots", "0").to_int():
		_bots.append(ExampleBot.new(things))
		_add_player("%s %d" % [_BOT_NAMES[i % _BOT_NAMES.size()], i + 1], _bots[i].way)
	hub.url = _option("--url", hub.url)
	hub.live.connect(_on_live)
	hub.disconnected.connect(_on_disconnected)
	hub.refused.connect(_on_refused)
	players.spawned.connect(_on_player_spawned)
	players.despawned.connect(_on_player_despawned)
	buildings.filter = func(_table: FramehubTable, place: int) -> bool: return not _built_here(_table.key_at(place))
	hub.start()


# Behind `--`, as in `-- --bots 8`.
func _option(name_wanted: String, otherwise: String) -> String:
	var given: PackedStringArray = OS.get_cmdline_user_args()
	var at: int = given.find(name_wanted)
	return given[at + 1] if at >= 0 and at + 1 < given.size() else otherwise


func _add_player(title: String, control: Callable) -> int:
	var id: int = 1 + randi() << 16 | randi() & 0xffff  # nobody else has it, by all chance
	_mine[id] = control
	_names[id] = title
	return id


# Everything that is subscribed to is here: after the start, and after each time that the connection was lost.
func _on_live(_version: int) -> void:
	_was_here = true
	_say("" if hub.table("thing") != null else _OLD_CITY)
	hub.set_will(FramehubTx.new().delete_rows("entity", {"id": _mine.keys()}))
	var enter: FramehubTx = FramehubTx.new()
	for id: int in _mine:
		if not hub.table("entity").has(id):
			var at: Vector3 = ExamplePlace.any()
			var row: Dictionary = {"id": id, "owner": _names[id], "zone": ExamplePlace.zone(at)}
			enter.insert(
				"entity", row.merged({"x": ExamplePlace.east(at), "y": ExamplePlace.north(at), "heading": 0.0})
			)
	if enter.size() > 0:
		hub.write(enter)


func _on_disconnected(_code: int, reason: String, will_retry: bool) -> void:
	var words: String = (_LOST if _was_here else _NOT_HERE) % FramehubSettings.address(hub.url)
	_say(words if will_retry else "Not connected: %s" % reason)


func _say(words: String) -> void:
	_message.text = words
	_message.visible = not words.is_empty()


func _on_refused(_seq: int, code: String, text: String) -> void:
	if code != "unavailable":  # that is what is under way when the game ends
		push_warning("refused: ", text)


func _on_player_spawned(key: Variant, node: Node) -> void:
	if _mine.has(key):
		(node as ExamplePlayer).drive(_mine[key])
	if key == _me:
		_camera.target = node as Node3D
		_camera.yaw = atan2(_camera.target.position.x, _camera.target.position.z)  # towards the middle


func _on_player_despawned(_key: Variant, node: Node) -> void:
	(node as ExamplePlayer).release()


# Houses that stand in this scene are rows once it was exported, and not to be shown twice.
func _built_here(key: Variant) -> bool:
	for house: Node in get_tree().get_nodes_in_group("framehub"):
		if house is ExampleBuilding and (house.get_node("FramehubRow") as FramehubRow).key == key:
			return true
	return false


# Where the keyboard wants to go, seen from the camera.
func _walk(_player: ExamplePlayer) -> Vector3:
	var across: float = _pressed(KEY_D, KEY_RIGHT) - _pressed(KEY_A, KEY_LEFT)
	var along: float = _pressed(KEY_S, KEY_DOWN) - _pressed(KEY_W, KEY_UP)
	return Vector3(across, 0.0, along).limit_length().rotated(Vector3.UP, _camera.yaw)


static func _pressed(one: Key, other: Key) -> float:
	return 1.0 if Input.is_physical_key_pressed(one) or Input.is_physical_key_pressed(other) else 0.0


func _unhandled_key_input(event: InputEvent) -> void:
	var key: InputEventKey = event as InputEventKey
	if key != null and key.pressed and not key.echo and key.keycode == _FIGURES:
		_overlay.visible = not _overlay.visible


func _process(_delta: float) -> void:
	_hint.text = (
		"WASD or arrows: walk, and push what is in the way      mouse: look      F3: figures      %s here"
		% ("1 player" if players.count() == 1 else "%d players" % players.count())
	)

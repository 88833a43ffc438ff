extends SceneTree
## The other process of tests/bench_seen.gd: [code]-- hub URL[/code], or [code]-- relay URL[/code]. Says
## [code]seen MS[/code] for each time that comes, and [code]end[/code] when 0 does.

var _hub: FramehubClient = FramehubClient.new()
var _relay: FramehubRelay.Device = null
var _lines: PackedStringArray = []


func _initialize() -> void:
	Engine.max_fps = 60
	var arguments: PackedStringArray = OS.get_cmdline_user_args()
	if arguments[0] == "relay":
		_relay = FramehubRelay.Device.new(arguments[1], 1)
		return
	_hub.url = arguments[1]
	_hub.keep_device = false
	_hub.live.connect(func(_version: int) -> void: print("live"), CONNECT_ONE_SHOT)
	_hub.rows_changed.connect(_on_rows_changed)
	root.add_child.call_deferred(_hub)


func _on_rows_changed(table: FramehubTable, rows: PackedInt32Array) -> void:
	if table.name == "entity":
		for row: int in rows:
			_see(table.value(row, "x") as float)


func _process(_delta: float) -> bool:
	if _relay != null:
		var was_live: bool = _relay.is_live()
		for row: Dictionary in _relay.poll():
			_see(row.x as float)
		if not was_live and _relay.is_live():
			print("live")
	return false


# Tells it at the end: telling takes time, too.
func _see(written: float) -> void:
	if written > 0.0:
		_lines.append("seen %.3f" % (1000.0 * (Time.get_unix_time_from_system() - written)))
	elif not _lines.is_empty():
		print("\n".join(_lines))
		print("end")

extends SceneTree
## A game of its own, for tests that need a second process: [code]-- URL MODE [COUNT][/code].
##
## [code]write[/code]: writes COUNT transactions, each of which inserts a row and adds 1 to the score of row
## 1, and says [code]wrote ID[/code] for each. [code]rest[/code]: sends what an earlier run has left, and
## ends. [code]watch[/code]: says [code]saw ID X[/code] for each entity that changes, until it is killed.

var _hub: FramehubClient = FramehubClient.new()


func _initialize() -> void:
	Engine.max_fps = 60
	var arguments: PackedStringArray = OS.get_cmdline_user_args()
	_hub.url = arguments[0]
	_hub.disconnected.connect(
		func(code: int, reason: String, _again: bool) -> void: print("lost %d %s" % [code, reason])
	)
	root.add_child.call_deferred(_hub)
	match arguments[1]:
		"write":
			_hub.connected.connect(_write.bind(arguments[2].to_int()), CONNECT_ONE_SHOT)
		"rest":
			_hub.live.connect(func(_version: int) -> void: _rest(), CONNECT_ONE_SHOT)
		"watch":
			_hub.keep_device = false
			_hub.rows_changed.connect(_say)
			_hub.live.connect(func(_version: int) -> void: print("live"), CONNECT_ONE_SHOT)


func _write(count: int) -> void:
	print("device ", _hub.device.hex_encode(), " ", _hub._journal.path.get_file())
	var first: int = 1000 * (1 + Time.get_ticks_usec() % 1000)
	for i: int in count:
		var tx: FramehubTx = FramehubTx.new().insert("entity", {"id": first + i}).add("entity", {"id": 1, "score": 1})
		if _hub.write(tx) == OK:
			print("wrote ", first + i)
		if i % 16 == 0:
			await process_frame


func _rest() -> void:
	print("device ", _hub.device.hex_encode(), " ", _hub._journal.path.get_file())
	while _hub.outbox.size() > 0:
		await process_frame
	print("sent all")
	quit(0)


func _say(table: FramehubTable, rows: PackedInt32Array) -> void:
	if table.name == "entity":
		for row: int in rows:
			print("saw %d %s" % [table.key_at(row), table.value(row, "x")])

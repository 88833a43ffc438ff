extends FramehubTest
## The server's frame, and SQL beside it.

const _SCHEMA: String = "CREATE TABLE visit (id INTEGER PRIMARY KEY, name TEXT, room INTEGER) STRICT;"
const _RULES: String = '[tables.visit]\ninsert = ["server"]\nupdate = ["server"]\ndelete = ["server"]\n'


func _server(hub: FramehubTestHub) -> FramehubServer:
	var client: FramehubClient = hub.client(self, func(c: FramehubClient) -> void: c.role = "server")
	var server: FramehubServer = FramehubServer.new()
	server.client = client
	tree.root.add_child(server)
	later(func() -> void: server.free())
	return server


# What a physics frame wrote is committed, and on another device before that device's frame after next.
func test_a_physics_frame_is_a_version() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var player: FramehubClient = hub.client(self)
	await until(func() -> bool: return player.is_complete(), "the player is live")
	var server: FramehubServer = _server(hub)
	var written: Dictionary[int, int] = {}  # the number of the process frame, by step
	var versions: Dictionary[int, int] = {}
	var late: PackedInt32Array = []
	server.step.connect(
		func(_delta: float) -> void:
			var n: int = server.number + 1
			server.client.write(FramehubTx.new().put("entity", {"id": 1, "score": n, "zone": n % 4}))
			server.client.write(FramehubTx.new().put("entity", {"id": 2, "score": n}))
			written[n] = Engine.get_process_frames()
	)
	server.step_committed.connect(func(n: int, version: int) -> void: versions[n] = version)
	player.frame_applied.connect(
		func(_version: int, _time: int) -> void:
			var table: FramehubTable = player.table("entity")
			if not table.has(1):
				return
			var n: int = table.find(1, "score")
			equal(table.find(2, "score"), n, "half a step")
			if written.has(n):
				late.append(Engine.get_process_frames() - written[n])
				written.erase(n)
	)
	await until(func() -> bool: return versions.size() >= 60, "sixty steps")
	check(server.holds_clock, "the server does not hold the clock")
	late.sort()
	check(late.size() >= 50 and late[late.size() / 2] <= 2, "frames until the player saw it: %s" % [late])
	var numbers: Array = versions.keys()
	for i: int in range(1, numbers.size()):
		check(versions[numbers[i]] > versions[numbers[i - 1]], "two steps with writes are one version")


func test_a_server_sees_who_wrote_and_corrects() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var player: FramehubClient = hub.client(self)
	await until(func() -> bool: return player.is_complete(), "the player is live")
	var server: FramehubServer = _server(hub)
	var seen: Array = []
	server.step.connect(
		func(_delta: float) -> void:
			for delta: FramehubDelta in server.deltas:
				if delta.mine or delta.table != "entity":
					continue
				seen.append([delta.device, delta.seq, delta.keys, server.client.table("entity").find(5, "speed")])
				server.client.write(FramehubTx.new().put("entity", {"id": 5, "speed": 10.0}))
	)
	await until(func() -> bool: return server.holds_clock, "the server holds the clock")
	var tx: FramehubTx = FramehubTx.new().put("entity", {"id": 5, "speed": 99.0, "x": 1.0})
	player.write(tx)
	await tx.wait()
	await until(func() -> bool: return player.table("entity").find(5, "speed") == 10.0, "it is corrected")
	equal(seen, [[player.device, tx.seq, [5], 99.0]], "what the server saw")
	equal(player.table("entity").find(5, "x"), 1.0, "what was left alone")


func test_a_server_that_comes_second() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var one: FramehubServer = _server(hub)
	await until(func() -> bool: return one.holds_clock, "the first holds the clock")
	var two: FramehubServer = _server(hub)
	await until(func() -> bool: return two.client.holder == one.client.device, "the second knows who holds it")
	one.client.stop()
	await until(func() -> bool: return two.holds_clock, "the second takes over")


func test_the_server_survives_the_hub() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var server: FramehubServer = _server(hub)
	server.step.connect(
		func(_delta: float) -> void:
			server.client.write(FramehubTx.new().put("entity", {"id": 1, "x": 1.0 * server.number}))
	)
	await until(func() -> bool: return server.version > 10, "ten versions")
	hub.kill()
	equal(await hub.start(self), true, "the hub is back")
	await until(func() -> bool: return server.client.is_live(), "the server is back")
	var before: int = server.version
	await until(func() -> bool: return server.version > before + 10, "ten more versions")


# Each physics frame is closed once, also after it has been in the tree before.
func test_a_server_that_is_moved() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var server: FramehubServer = _server(hub)
	await until(func() -> bool: return server.version > 0, "a version")
	tree.root.remove_child(server)
	tree.root.add_child(server)
	equal(server.get_child_count(true), 1, "what closes frames")
	var skipped: int = server.skipped
	var numbers: PackedInt32Array = []
	server.step_committed.connect(func(n: int, _version: int) -> void: numbers.append(n))
	await until(func() -> bool: return numbers.size() > 20, "twenty more")
	for i: int in range(1, numbers.size()):
		equal(numbers[i], numbers[i - 1] + 1, "the number of a step")
	check(server.skipped - skipped < 60, "%d physics frames were left out" % (server.skipped - skipped))


func test_the_founding_script() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self, [], _SCHEMA, _RULES)
	ProjectSettings.set_setting(FramehubSettings.URL, hub.url)
	later(func() -> void: ProjectSettings.set_setting(FramehubSettings.URL, null))
	var player: FramehubClient = hub.client(self)
	await until(func() -> bool: return player.is_complete(), "the player is live")
	var script: GDScript = load("res://tests/founding.gd")
	var node: Node = script.new()
	tree.root.add_child(node)
	await until(func() -> bool: return player.table("visit").count > 60, "rows of twenty frames are broadcast")
	node.set_process(false)
	var inserted: int = node.get("inserted")
	await until(func() -> bool: return player.table("visit").count == inserted, "all of them")
	var db: MVSQLite = node.get("db")
	var rows: Array[Dictionary] = await db.execute("SELECT name, count(*) AS n FROM visit GROUP BY name ORDER BY name")
	equal(db.error, "", "an error")
	equal(rows.size(), 3, "names")
	equal(rows[2], {"name": "carol", "n": inserted / 3}, "a row")
	var tx: FramehubTx = await db.transaction(
		func(t: FramehubTx) -> void: t.put("visit", {"id": 1, "name": "dora"}).delete("visit", {"id": 2})
	)
	equal(tx.code, "", tx.text)
	await db.execute("SELECT nonsense FROM visit")
	check(not db.error.is_empty(), "nonsense was run")
	node.queue_free()
	await tree.process_frame

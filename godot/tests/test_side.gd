extends FramehubTest
## What is no row: presence, last wills, events, SQL.


func _live(client: FramehubClient) -> bool:
	return await until(func() -> bool: return client.is_live() and client.is_complete(), "live")


func test_presence_and_wills() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var client: FramehubClient = hub.client(self)
	var other: FramehubClient = hub.client(self)
	if not await _live(client) or not await _live(other):
		return
	var answer: FramehubAnswer = await client.subscribe([FramehubSub.all_of("framehub_session")]).wait()
	equal(answer.code, "", answer.text)
	var here: FramehubTable = client.table("framehub_session")
	equal(here.find(other.device, "state"), "here", "the other one")
	answer = await other.set_will(FramehubTx.new().put("entity", {"id": 99, "score": -1})).wait()
	equal(answer.code, "", answer.text)
	answer = await other.set_will(FramehubTx.new().put("zone", {"id": 99})).wait()
	check(not answer.code.is_empty() or not other.table("zone").has(99), "a will is judged when it runs")
	answer = await other.set_will(FramehubTx.new().put("entity", {"id": 99, "score": 5})).wait()
	equal(answer.code, "", answer.text)
	var device: PackedByteArray = other.device
	other.stop()
	await until(func() -> bool: return not here.has(device), "the other one has gone")
	await until(func() -> bool: return client.table("entity").find(99, "score") == 5, "the last will was run")


func test_events() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var one: FramehubClient = hub.client(self)
	var two: FramehubClient = hub.client(self)
	if not await _live(one) or not await _live(two):
		return
	var told: Array = []
	two.event_received.connect(
		func(from: PackedByteArray, event: String, value: Variant) -> void:
			told.append([from, event, value, two.table("entity").find(3, "x")])
	)
	var refusals: Array = []
	one.event_refused.connect(func(event: String, code: String, _text: String) -> void: refusals.append([event, code]))
	one.write(FramehubTx.new().put("entity", {"id": 3, "zone": 2, "x": 4.5}))
	equal(one.send_event(["entity", 2], "horn", [1, "x"]), OK, "an event")
	equal(one.send_event(two.device, "blip"), OK, "an event to a device")
	equal(one.send_event("server", "nonsense"), OK, "an event that the rules don't have")
	equal(one.send_event("server", ""), ERR_INVALID_PARAMETER, "an event without a name")
	await until(func() -> bool: return told.size() == 2 and refusals.size() == 1, "two events and a refusal")
	equal(
		told, [[one.device, "horn", [1, "x"], 4.5], [one.device, "blip", null, 4.5]], "events, behind what was written"
	)
	equal(refusals, [["nonsense", "forbidden"]], "refused")


func test_sql() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var server: FramehubClient = hub.client(self, func(c: FramehubClient) -> void: c.role = "server")
	var client: FramehubClient = hub.client(self)
	if not await _live(server) or not await _live(client):
		return
	var answer: FramehubAnswer = await (
		server.sql("INSERT INTO entity (id, x, owner) VALUES (?, ?, ?)", [8, 1.5, null]).wait()
	)
	equal(answer.code, "", answer.text)
	await until(func() -> bool: return client.version() >= answer.version, "it is broadcast")
	equal(client.table("entity").find(8, "x"), 1.5, "what SQL inserted")
	answer = await server.sql("SELECT id, x, owner FROM entity WHERE id = ?", [8]).wait()
	equal(answer.columns, PackedStringArray(["id", "x", "owner"]), "columns")
	equal(answer.rows, [[8, 1.5, null]] as Array[Array], "rows")
	answer = await server.sql("DROP TABLE entity").wait()
	equal(answer.code, "forbidden", "the schema is not a session's")
	answer = await client.sql("SELECT 1").wait()
	check(not answer.code.is_empty(), "a device may run SQL")

extends FramehubTest
## Much at once, slow frames, and what the client must not do meanwhile.


func _filled(hub: FramehubTestHub, rows: int) -> FramehubClient:
	var writer: FramehubClient = hub.client(self)
	await until(func() -> bool: return writer.is_live(), "live")
	var done: int = 0
	while done < rows:
		var ids: PackedInt32Array = range(done, mini(done + 10000, rows))
		var x: PackedFloat64Array = []
		x.resize(ids.size())
		for i: int in ids.size():
			x[i] = ids[i] / 3.0
		var zones: PackedInt32Array = []
		zones.resize(ids.size())
		zones.fill(3)
		var names: PackedStringArray = []
		names.resize(ids.size())
		names.fill("somebody of a name that is rather long, as names go")
		var columns: Dictionary = {"id": ids, "x": x, "y": x, "zone": zones, "owner": names}
		var tx: FramehubTx = FramehubTx.new().put_rows("entity", columns)
		writer.write(tx)
		await tx.wait()
		equal(tx.code, "", tx.text)
		done += ids.size()
	return writer


# Half a MiB of messages a frame fit the budget; the game goes on meanwhile.
func test_a_snapshot_of_more_than_4_mib() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var rows: int = 60000
	await _filled(hub, rows)
	var plain: FramehubClient = hub.client(self, func(c: FramehubClient) -> void: c.compress = false)
	var packed: FramehubClient = hub.client(self, func(c: FramehubClient) -> void: c.max_message = 1 << 16)
	for client: FramehubClient in [plain, packed]:
		if not await until(func() -> bool: return client.is_complete(), "the snapshot is there"):
			return
		equal(client.table("entity").count, rows, "rows")
		equal(client.table("entity").find(59998, "x"), 59998 / 3.0, "a value")
		check(client.link.messages_in > 4, "the snapshot came in %d messages" % client.link.messages_in)
	check(plain.link.bytes_in > 4 << 20, "the snapshot had only %d bytes" % plain.link.bytes_in)
	check(packed.link.bytes_in < plain.link.bytes_in / 2, "compressed it had %d bytes" % packed.link.bytes_in)


func test_a_frame_that_stalls() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var writer: FramehubClient = await _filled(hub, 1000)
	var client: FramehubClient = hub.client(self)
	await until(func() -> bool: return client.is_complete(), "live")
	var lost: Array[String] = []
	client.disconnected.connect(func(_c: int, reason: String, _again: bool) -> void: lost.append(reason))
	var versions: PackedInt64Array = []
	client.frame_applied.connect(func(version: int, _time: int) -> void: versions.append(version))
	# Both are in this process: who writes is another thread's socket, and the hub sends on.
	for i: int in 30:
		writer.write(FramehubTx.new().add("entity", {"id": i, "score": 1}).touch("entity", {"id": i, "speed": 1.0 * i}))
	await tree.process_frame
	var last: FramehubTx = FramehubTx.new().put("entity", {"id": 7, "heading": 0.5})
	writer.write(last)
	OS.delay_msec(2000)
	await last.wait()
	await until(func() -> bool: return client.version() >= last.version, "it has caught up")
	equal(lost.size(), 0, "connections lost: %s" % ", ".join(lost))
	equal(client.table("entity").find(7, "heading"), 0.5, "the last value")
	equal(client.table("entity").find(29, "speed"), 29.0, "a value before it")
	for i: int in range(1, versions.size()):
		check(versions[i] >= versions[i - 1], "versions went back: %s" % [versions])


func test_a_hundred_bots() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var bots: Array[FramehubClient] = []
	var first: FramehubTx = FramehubTx.new()
	for i: int in 100:
		first.put("entity", {"id": i, "zone": i / 10, "x": 0.0, "y": 0.0, "heading": 0.0, "speed": 0.0})
	var writer: FramehubClient = hub.client(self)
	writer.write(first)
	await first.wait()
	equal(first.code, "", first.text)
	var received: Array[int] = [0]
	for i: int in 100:
		var bot: FramehubClient = hub.client(
			self,
			func(c: FramehubClient) -> void:
				c.everything = false
				c.max_message = 1 << 16
				c.subscribe([FramehubSub.scopes_of("entity", [i / 10])])
		)
		bot.rows_changed.connect(
			func(_table: FramehubTable, rows: PackedInt32Array) -> void: received[0] += rows.size()
		)
		bots.append(bot)
	await until(
		func() -> bool: return bots.all(func(b: FramehubClient) -> bool: return b.is_complete()), "all are live"
	)
	received[0] = 0
	var steps: int = 10
	for step: int in steps:
		for i: int in 100:
			var bot: FramehubClient = bots[i]
			bot.stream("entity", {"id": [i], "x": [step + 1.0], "y": [0.5], "heading": [0.25], "speed": [float(i)]})
		for frame: int in 3:
			await tree.process_frame
	await until(
		func() -> bool:
			return bots.all(
				func(b: FramehubClient) -> bool: return b.table("entity").floats("x").count(float(steps)) == 10
			),
		"all have the last step of their ten"
	)
	# Of each step the ten of a zone see ten rows; frames that were merged show fewer.
	check(received[0] > 100 * 10 * steps / 3, "%d rows were received" % received[0])
	check(received[0] <= 100 * 10 * steps, "%d rows were received" % received[0])


func test_a_value_too_large_for_a_message() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(
		self,
		[],
		"CREATE TABLE note (id INTEGER PRIMARY KEY, x REAL, body TEXT) STRICT;",
		'[tables.note]\ninsert = ["device"]\nupdate = ["device"]\ndelete = ["device"]\n'
	)
	var writer: FramehubClient = hub.client(self)
	var client: FramehubClient = hub.client(self, func(c: FramehubClient) -> void: c.max_message = 4096)
	var text: String = "größe ".repeat(50000)
	var tx: FramehubTx = FramehubTx.new().put("note", {"id": 1, "x": 2.5, "body": text})
	writer.write(tx)
	await tx.wait()
	if not await until(func() -> bool: return client.is_live() and client.version() >= tx.version, "it is here"):
		return
	var table: FramehubTable = client.table("note")
	check(is_same(table.find(1, "body"), FramehubCbor.LARGE), "not a large value: %s" % table.find(1, "body"))
	equal(table.find(1, "x"), 2.5, "what fits")
	var answer: FramehubAnswer = await client.read_large("note", 1, "body").wait()
	equal(answer.code, "", answer.text)
	equal(answer.value, text, "the value")
	# It takes little itself, and may write as much as the hub takes.
	tx = FramehubTx.new().put("note", {"id": 3, "body": text})
	client.write(tx)
	await until(func() -> bool: return tx.finished, "a large write has its outcome")
	equal(tx.code, "", tx.text)
	answer = await client.read_large("note", 2, "body").wait()
	equal(answer.code, "missing", "a row that is not there")

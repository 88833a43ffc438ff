extends FramehubTest
## The client against the real hub.


func _live(client: FramehubClient) -> bool:
	return await until(
		func() -> bool: return client.is_live() and client.version() > 0 and client.is_complete(), "live"
	)


func test_two_clients_converge() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var one: FramehubClient = hub.client(self)
	var two: FramehubClient = hub.client(self)
	if not await _live(one) or not await _live(two):
		return
	equal(one.table("zone").count, 4, "zones")
	equal(one.table("zone").find(2, "name"), "Market", "a zone's name")
	var tx: FramehubTx = FramehubTx.new().put("entity", {"id": 7, "x": 1.5, "y": -2, "zone": 1, "owner": "grün"})
	equal(one.write(tx), OK, "write")
	await tx.wait()
	equal(tx.code, "", "refused")
	check(tx.version > 0, "no version")
	var both: Callable = func() -> bool: return mini(one.version(), two.version()) >= tx.version
	await until(both, "both have it")
	equal(two.table("entity").row(0), one.table("entity").row(0), "the row")
	equal(two.table("entity").find(7, "y"), -2.0, "a whole number in a REAL column")
	equal(two.table("entity").find(7, "owner"), "grün", "a text")
	equal(two.table("entity").find(7, "speed"), null, "what was not written")


func test_a_table_wanted_that_is_not_there() -> void:
	expect_error("the hub refuses what is subscribed to: ")
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var client: FramehubClient = hub.client(
		self, func(c: FramehubClient) -> void: c.tables_wanted = ["zone", "nowhere"]
	)
	var told: Callable = func() -> bool: return not (errors.call() as PackedStringArray).is_empty()
	await until(told, "it is said")
	check(client.is_live() and not client.is_complete(), "it is connected, and sees nothing")


func test_refused_writes() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var client: FramehubClient = hub.client(self)
	if not await _live(client):
		return
	var told: Array = []
	client.refused.connect(func(seq: int, code: String, _text: String) -> void: told.append([seq, code]))
	client.committed.connect(func(seq: int, _version: int) -> void: told.append([seq, ""]))
	var bad: FramehubTx = FramehubTx.new().put("entity", {"id": 1, "x": 1.0}).put("zone", {"id": 9, "name": "x"})
	var unknown: FramehubTx = FramehubTx.new().put("nowhere", {"id": 1})
	var column: FramehubTx = FramehubTx.new().put("entity", {"id": 1, "weight": 2})
	var good: FramehubTx = FramehubTx.new().put("entity", {"id": 2, "x": 2.0})
	for tx: FramehubTx in [bad, unknown, column, good]:
		equal(client.write(tx), OK, "write")
	equal(client.write(good), ERR_ALREADY_IN_USE, "a transaction that was written already")
	equal(client.write(FramehubTx.new().put("entity", {"id": 3, "x": NAN})), OK, "NaN is refused later")
	await until(func() -> bool: return told.size() == 5, "five outcomes")
	equal(bad.code, "forbidden", "a zone is the editor's")
	equal(bad.refused_op, 1, "which op")
	equal([unknown.code, column.code, good.code], ["unknown_table", "unknown_column", ""], "codes")
	equal(client.table("entity").keys(), [2], "only what was good is there")


func test_hub_killed_and_back() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var client: FramehubClient = hub.client(self)
	var witness: FramehubClient = hub.client(self)
	if not await _live(client) or not await _live(witness):
		return
	var counts: Array[int] = [0, 0]
	client.committed.connect(func(_seq: int, _version: int) -> void: counts[0] += 1)
	client.refused.connect(func(_seq: int, _code: String, _text: String) -> void: counts[1] += 1)
	client.write(FramehubTx.new().put("entity", {"id": 1, "score": 0}))
	var written: int = 1
	for round_number: int in 3:
		for i: int in 60:
			client.write(FramehubTx.new().add("entity", {"id": 1, "score": 1}))
			written += 1
			if i % 8 == 0:
				await tree.process_frame
			if i == 30:
				hub.kill()
		equal(await hub.start(self), true, "the hub is back")
		await until(func() -> bool: return counts[0] + counts[1] == written, "all outcomes")
	equal(counts, [written, 0] as Array[int], "committed and refused")
	await until(func() -> bool: return witness.is_live() and witness.version() >= client.version(), "the witness")
	equal(witness.table("entity").find(1, "score"), 180, "each was applied once")


func test_scopes_and_changes_of_subscriptions() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var writer: FramehubClient = hub.client(self)
	var ids: PackedInt32Array = range(100)
	var zones: PackedInt32Array = []
	for id: int in ids:
		zones.append(1 + id % 4)
	var tx: FramehubTx = FramehubTx.new().put_rows(
		"entity", {"id": ids, "zone": zones, "x": PackedFloat32Array(Array(ids))}
	)
	writer.write(tx)
	await tx.wait()
	var client: FramehubClient = hub.client(self, func(c: FramehubClient) -> void: c.everything = false)
	await until(func() -> bool: return client.is_live(), "live")
	var answer: FramehubAnswer = await client.subscribe([FramehubSub.scopes_of("entity", [1, 2])]).wait()
	equal(answer.code, "", "subscribe")
	equal(client.table("entity").count, 50, "zones 1 and 2")
	answer = await (
		client.subscribe([FramehubSub.scopes_of("entity", [2, 3])], [FramehubSub.scopes_of("entity", [2, 1])]).wait()
	)
	equal(answer.code, "", "change")
	equal(client.table("entity").count, 50, "zones 2 and 3")
	tx = FramehubTx.new().update("entity", {"id": 1, "zone": 4}).delete("entity", {"id": 2})
	writer.write(tx)
	await tx.wait()
	await until(func() -> bool: return client.version() >= tx.version, "the frame")
	equal(client.table("entity").count, 48, "one left the scope, one was deleted")
	for row: int in client.table("entity").count:
		var id: int = client.table("entity").key_at(row)
		equal(client.table("entity").value(row, "x"), float(id), "a row that was moved in its column")
	answer = await client.subscribe([FramehubSub.all_of("nowhere")]).wait()
	equal(answer.code, "unknown_table", "a table that is not there")

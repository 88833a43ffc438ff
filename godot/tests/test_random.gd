extends FramehubTest
## Devices that write, subscribe and lose their connections by chance; in the end each copy is what SQL
## says.


func test_copies_are_what_sql_says() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var random: RandomNumberGenerator = RandomNumberGenerator.new()
	random.seed = OS.get_environment("FRAMEHUB_SEED").to_int()
	var server: FramehubClient = hub.client(self, func(c: FramehubClient) -> void: c.role = "server")
	var clients: Array[FramehubClient] = []
	for i: int in 4:
		clients.append(hub.client(self, _set_up.bind(i)))
	await until(func() -> bool: return clients.all(func(c: FramehubClient) -> bool: return c.is_live()), "live")
	for step: int in 150:
		for client: FramehubClient in clients:
			_act(client, random)
		if step % 40 == 39:
			clients[random.randi() % 4].link.lose(0, "the test cuts it")
		await tree.process_frame
	for client: FramehubClient in clients:
		await until(func() -> bool: return client.is_live() and client.outbox.size() == 0, "all is settled")
		await until(func() -> bool: return client._session.subscriptions.complete(), "all is subscribed")
	await _compare(server, clients)


func _set_up(client: FramehubClient, i: int) -> void:
	client.everything = i == 0
	client.max_message = 2048 if i == 1 else 1 << 20


func _act(client: FramehubClient, random: RandomNumberGenerator) -> void:
	var id: int = random.randi() % 60
	match random.randi() % 10:
		0:
			client.write(FramehubTx.new().delete("entity", {"id": id}))
		1, 2:
			client.write(FramehubTx.new().put("entity", {"id": id, "zone": random.randi() % 4, "x": random.randf()}))
		3:
			client.write(FramehubTx.new().put("entity", {"id": id, "zone": null, "owner": str(id), "score": -id}))
		4, 5:
			client.stream("entity", {"id": [id, id + 1], "y": PackedFloat64Array([random.randf(), 0.5])})
		6:
			client.write(FramehubTx.new().delete("entity", {"id": id}).insert("entity", {"id": id, "zone": id % 4}))
		7:
			if not client.everything and random.randf() < 0.4:
				_resubscribe(client, random)


func _resubscribe(client: FramehubClient, random: RandomNumberGenerator) -> void:
	var zones: Array = range(4).filter(func(_zone: int) -> bool: return random.randf() < 0.5)
	var remove: Array[FramehubSub] = []
	if not client._session.subscriptions.complete():
		return
	if client.copy.subs.size() > 2:
		remove = [client.copy.subs[random.randi() % client.copy.subs.size()]]
	client.subscribe([FramehubSub.scopes_of("entity", zones)], remove)


func _compare(server: FramehubClient, clients: Array[FramehubClient]) -> void:
	var answer: FramehubAnswer = await server.sql("SELECT * FROM entity ORDER BY id").wait()
	equal(answer.code, "", answer.text)
	check(answer.rows.size() > 20, "only %d rows are left" % answer.rows.size())
	for client: FramehubClient in clients:
		await until(func() -> bool: return client.version() >= answer.version, "the last version")
		var want: Array = answer.rows.filter(func(row: Array) -> bool: return _sees(client, row, answer.columns))
		var table: FramehubTable = client.table("entity")
		var got: Array = range(table.count).map(
			func(row: int) -> Array:
				return Array(answer.columns).map(func(c: String) -> Variant: return table.value(row, c))
		)
		got.sort_custom(func(a: Array, b: Array) -> bool: return a[0] < b[0])
		equal(
			var_to_str(got),
			var_to_str(want.map(func(row: Array) -> Array: return row)),
			"the copy of %s" % clients.find(client)
		)


func _sees(client: FramehubClient, row: Array, columns: PackedStringArray) -> bool:
	var zone: Variant = row[columns.find("zone")]
	return client.copy.subs.any(func(s: FramehubSub) -> bool: return s.table == "entity" and s.covers(zone))

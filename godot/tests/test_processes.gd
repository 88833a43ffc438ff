extends FramehubTest
## Games in processes of their own.


func test_two_processes_converge() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var other: FramehubTestProcess = FramehubTestProcess.begin(self, [hub.url, "watch"])
	var client: FramehubClient = hub.client(self)
	await until(func() -> bool: return client.is_live() and not other.lines("live").is_empty(), "both are live")
	client.write(FramehubTx.new().put("entity", {"id": 5, "x": 0.5}))
	await until(func() -> bool: return other.lines("saw").has("5 0.5"), "the other process has seen it")
	hub.kill()
	equal(await hub.start(self), true, "the hub is back")
	client.write(FramehubTx.new().put("entity", {"id": 5, "x": 1.5}))
	await until(func() -> bool: return other.lines("saw").has("5 1.5"), "the other process has seen it again")


func test_game_killed_and_back() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var witness: FramehubClient = hub.client(self)
	var start: FramehubTx = FramehubTx.new().put("entity", {"id": 1, "score": 0})
	witness.write(start)
	await start.wait()
	var wrote: PackedStringArray = []
	for round_number: int in 3:
		var game: FramehubTestProcess = FramehubTestProcess.begin(self, [hub.url, "write", "900"])
		await until(func() -> bool: return game.lines("wrote").size() > 100, "it writes")
		if round_number == 1:
			hub.kill()  # so that it has much that is not settled
		for i: int in 5:
			await tree.process_frame
		game.kill()
		wrote.append_array(game.lines("wrote"))
		if round_number == 1:
			equal(await hub.start(self), true, "the hub is back")
	var rest: FramehubTestProcess = FramehubTestProcess.begin(self, [hub.url, "rest"])
	await until(func() -> bool: return not rest.lines("sent all").is_empty(), "what was left is sent")
	await until(func() -> bool: return witness.is_live() and witness.copy.complete_to(0), "the witness is back")
	var last: FramehubTx = FramehubTx.new().touch("entity", {"id": 1, "x": 1.0})
	witness.write(last)
	await last.wait()
	await until(func() -> bool: return witness.version() >= last.version, "the witness has all")
	var table: FramehubTable = witness.table("entity")
	for id: String in wrote:
		check(table.has(id.to_int()), "row %s was written, and is not there" % id)
	check(wrote.size() > 300, "only %d were written" % wrote.size())
	equal(table.find(1, "score"), table.count - 1, "each was applied once")


func test_each_instance_is_a_device_of_its_own() -> void:
	var hub: FramehubTestHub = await FramehubTestHub.begin(self)
	var one: FramehubTestProcess = FramehubTestProcess.begin(self, [hub.url, "write", "1"])
	var two: FramehubTestProcess = FramehubTestProcess.begin(self, [hub.url, "write", "1"])
	await until(func() -> bool: return one.lines("device").size() + two.lines("device").size() == 2, "both are here")
	if not failures.is_empty():
		return
	var devices: PackedStringArray = [one.lines("device")[0], two.lines("device")[0]]
	devices.sort()
	check(devices[0].get_slice(" ", 0) != devices[1].get_slice(" ", 0), "two instances are one device")
	equal(one.lines("lost").size() + two.lines("lost").size(), 0, "lost connections")
	one.kill()
	two.kill()
	var three: FramehubTestProcess = FramehubTestProcess.begin(self, [hub.url, "rest"])
	await until(func() -> bool: return three.lines("device").size() == 1, "the third is here")
	check(devices.has(three.lines("device")[0]), "the one that starts later is none of the two")

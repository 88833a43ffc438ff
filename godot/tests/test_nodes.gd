extends FramehubTest
## Nodes that show rows.

const _RULES: String = """
[tables.thing]
insert = ["device"]
update = ["device"]
delete = ["device"]
precision = { y = 0.5 }
"""
const _SCHEMA: String = """
CREATE TABLE thing (id INTEGER PRIMARY KEY, x REAL, y REAL CHECK (y < 100), n INTEGER, owner TEXT) STRICT;
"""


func _hub() -> FramehubTestHub:
	return await FramehubTestHub.begin(self, [], _SCHEMA, _RULES)


func _live(hub: FramehubTestHub) -> FramehubClient:
	var client: FramehubClient = hub.client(self)
	await until(func() -> bool: return client.is_complete(), "live")
	return client


func _show(client: FramehubClient, key: int) -> Array:
	var node: Node2D = Node2D.new()
	var row: FramehubRow = FramehubRow.new()
	row.client = client
	row.table = "thing"
	row.key = key
	row.columns = {"x": "position:x", "y": "position:y", "n": "z_index"}
	node.add_child(row)
	later(func() -> void: node.free())
	return [node, row]


func _put(client: FramehubClient, row: Dictionary) -> FramehubTx:
	var tx: FramehubTx = FramehubTx.new().put("thing", row)
	client.write(tx)
	await tx.wait()
	equal(tx.code, "", tx.text)
	return tx


func test_a_row_both_ways() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	var two: FramehubClient = await _live(hub)
	await _put(one, {"id": 1, "x": 3.0, "y": 4.0, "n": 2, "owner": "ada"})
	var mine: Array = _show(one, 1)
	var mine_row: FramehubRow = mine[1]
	var mine_node: Node2D = mine[0]
	mine_row.authority = FramehubRow.Authority.OWNER
	mine_row.owner_value = "ada"
	var other: Array = _show(two, 1)
	var other_node: Node2D = other[0]
	tree.root.add_child(mine_node)
	tree.root.add_child(other_node)
	await until(func() -> bool: return other_node.position == Vector2(3, 4) and other_node.z_index == 2, "it is shown")
	equal(mine_node.position, Vector2(3, 4), "one's own")
	mine_node.position = Vector2(7, 8)
	mine_node.z_index = 5
	await until(func() -> bool: return other_node.position == Vector2(7, 8) and other_node.z_index == 5, "it moved")
	other_node.position = Vector2.ZERO  # not this device's to move
	mine_node.position.x = 9
	await until(func() -> bool: return other_node.position == Vector2(9, 8), "the hub's values count")
	equal(one.table("thing").find(1, "x"), 9.0, "the copy")


func test_a_row_that_goes_while_it_writes() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	await _put(one, {"id": 1, "x": 3.0, "n": 0})
	var node: Node2D = Node2D.new()
	var row: FramehubRow = FramehubRow.new()
	row.client = one
	row.table = "thing"
	row.key = 1
	row.columns = {"x": "position:x"}
	row.authority = FramehubRow.Authority.LOCAL
	node.add_child(row)
	tree.root.add_child(node)
	node.position.x = 4.0
	await until(func() -> bool: return row._under_way > 0, "it writes")
	node.free()
	await until(func() -> bool: return one.table("thing").find(1, "x") == 4.0, "it is written")
	equal(one.outbox.size(), 0, "what has no outcome")


func test_a_row_that_is_corrected() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	await _put(one, {"id": 1, "x": 3.0, "y": 4.0, "n": 2})
	var mine: Array = _show(one, 1)
	var row: FramehubRow = mine[1]
	var node: Node2D = mine[0]
	row.authority = FramehubRow.Authority.LOCAL
	var refusals: Array[String] = []
	row.refused.connect(func(code: String, _text: String) -> void: refusals.append(code))
	tree.root.add_child(node)
	node.position.y = 500
	await until(func() -> bool: return refusals.size() > 0, "it is refused")
	equal(node.position, Vector2(3, 4), "it has gone back")
	node.position.y = 10.7
	await until(func() -> bool: return is_equal_approx(node.position.y, 10.5), "the hub has rounded it")
	equal(refusals, ["constraint"] as Array[String], "refusals")
	await _put(one, {"id": 1, "x": 50.0})
	await until(func() -> bool: return node.position.x == 50.0, "what another part of the game wrote")


func test_a_row_that_glides() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	await _put(one, {"id": 1, "x": 0.0, "y": 0.0, "n": 0})
	var shown: Array = _show(one, 1)
	var row: FramehubRow = shown[1]
	var node: Node2D = shown[0]
	row.smoothed = ["x"]
	tree.root.add_child(node)
	row._span = 0.25
	_put(one, {"id": 1, "x": 80.0, "y": 5.0})
	var between: Array[float] = []
	await until(
		func() -> bool:
			if node.position.x > 0.0 and node.position.x < 80.0:
				between.append(node.position.x)
			return node.position.x == 80.0,
		"it has arrived"
	)
	check(between.size() > 2, "it jumped: %s" % [between])
	equal(node.position.y, 5.0, "what does not glide")


func _scene() -> PackedScene:
	var node: Node2D = Node2D.new()
	var row: FramehubRow = FramehubRow.new()
	row.name = "Row"
	row.columns = {"x": "position:x"}
	node.add_child(row)
	row.owner = node
	var scene: PackedScene = PackedScene.new()
	scene.pack(node)
	node.free()
	return scene


func test_a_spawner() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	await _put(one, {"id": 1, "x": 1.0, "n": 0})
	var spawner: FramehubSpawner = FramehubSpawner.new()
	spawner.client = one
	spawner.table = "thing"
	spawner.scene = _scene()
	tree.root.add_child(spawner)
	later(func() -> void: spawner.queue_free())
	equal(spawner.count(), 1, "what is there already")
	equal((spawner.node_of(1) as Node2D).position.x, 1.0, "its place")
	await _put(one, {"id": 2, "x": 2.0, "n": 1})
	await until(func() -> bool: return spawner.count() == 2, "another one")
	var second: Node = spawner.node_of(2)
	one.write(FramehubTx.new().delete("thing", {"id": 2}))
	await until(func() -> bool: return spawner.count() == 1, "one has gone")
	check(not second.is_inside_tree(), "its node is still shown")
	await _put(one, {"id": 3, "x": 3.0, "n": 1})
	await until(func() -> bool: return spawner.count() == 2, "a third one")
	equal(spawner.node_of(3), second, "the node is used again")
	equal((second as Node2D).position.x, 3.0, "for the third row")
	spawner.filter = func(table: FramehubTable, row: int) -> bool: return table.value(row, "n") == 0
	spawner.refresh()
	equal(spawner.count(), 1, "those that the filter shows")
	await one.subscribe([], [FramehubSub.all_of("thing")]).wait()
	equal(spawner.count(), 0, "nothing is subscribed to")


func test_a_spawner_that_goes() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	await _put(one, {"id": 1, "x": 1.0, "n": 0})
	await _put(one, {"id": 2, "x": 2.0, "n": 0})
	await _put(one, {"id": 3, "x": 3.0, "n": 0})
	var elsewhere: Node2D = Node2D.new()
	var level: Node2D = Node2D.new()
	var spawner: FramehubSpawner = FramehubSpawner.new()
	spawner.client = one
	spawner.table = "thing"
	spawner.scene = _scene()
	spawner.container = elsewhere
	level.add_child(spawner)
	tree.root.add_child(elsewhere)
	tree.root.add_child(level)
	later(func() -> void: elsewhere.free())
	var nodes: Array[Node] = [spawner.node_of(1), spawner.node_of(2)]
	one.write(FramehubTx.new().delete("thing", {"id": 1}))
	await until(func() -> bool: return spawner.count() == 2, "one is kept to be used again")
	spawner.node_of(3).free()
	equal(spawner.node_of(3), null, "the node of a row that the game has freed")
	one.write(FramehubTx.new().delete("thing", {"id": 3}))
	await until(func() -> bool: return spawner.count() == 1, "that one's row has gone")
	level.free()
	await tree.process_frame
	for node: Variant in nodes:
		check(not is_instance_valid(node), "a node is left")


func test_a_spawner_whose_nodes_the_game_frees() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	var spawner: FramehubSpawner = FramehubSpawner.new()
	spawner.client = one
	spawner.table = "thing"
	spawner.scene = _scene()
	tree.root.add_child(spawner)
	later(func() -> void: spawner.free())
	var ends: Array[Callable] = [
		func(node: Node) -> void: node.free(),
		func(node: Node) -> void: node.queue_free(),
		func(_node: Node) -> void: pass,
	]
	for id: int in 3:
		spawner.despawned.connect(func(_key: Variant, node: Node) -> void: ends[id].call(node), CONNECT_ONE_SHOT)
		await _put(one, {"id": id, "x": 1.0, "n": 0})
		await until(func() -> bool: return spawner.node_of(id) != null, "row %d is shown" % id)
		one.write(FramehubTx.new().delete("thing", {"id": id}))
		await until(func() -> bool: return spawner.count() == 0, "row %d has gone" % id)
	equal(spawner._free.size(), 1, "nodes that are kept")
	spawner._free[0].free()
	await _put(one, {"id": 9, "x": 1.0, "n": 0})
	await until(func() -> bool: return spawner.node_of(9) != null, "a row after the kept node was freed")


func test_a_row_that_is_bound_anew_while_it_writes() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	await _put(one, {"id": 1, "x": 1.0, "y": 1.0, "n": 0})
	await _put(one, {"id": 2, "x": 2.0, "y": 2.0, "n": 0})
	var shown: Array = _show(one, 1)
	var row: FramehubRow = shown[1]
	var node: Node2D = shown[0]
	row.authority = FramehubRow.Authority.LOCAL
	var refusals: Array[String] = []
	row.refused.connect(func(code: String, _text: String) -> void: refusals.append(code))
	tree.root.add_child(node)
	var outcomes: Array[int] = [0]
	one.refused.connect(func(_seq: int, _code: String, _text: String) -> void: outcomes[0] += 1)
	node.position.y = 500.0  # is refused
	await until(func() -> bool: return row._under_way > 0, "it writes")
	row.bind(2)
	equal(node.position, Vector2(2, 2), "the other row")
	row.authority = FramehubRow.Authority.HUB
	node.position = Vector2(7, 7)
	await until(func() -> bool: return outcomes[0] == 1, "the write is refused")
	equal(node.position, Vector2(7, 7), "the other row's node")
	equal([refusals, row._under_way], [[] as Array[String], 0], "what is no business of the other row's")


func test_names_that_are_misspelt() -> void:
	expect_error("table thing has no column 'hight', it has id, x, y, n, owner")
	expect_error("has no property 'positoin:x' for column x")
	expect_error("'heading' is to glide, and is none of its columns")
	expect_error("table thing has no column 'ownr'")
	expect_error("FramehubRow /root/Things/Row: the hub has no table 'thng'")
	expect_error("the hub has no table 'things'")
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	await _put(one, {"id": 1, "x": 1.0, "n": 0})
	var shown: Array = _show(one, 1)
	var row: FramehubRow = shown[1]
	row.columns = {"x": "positoin:x", "hight": "position:y"}
	row.smoothed = ["heading"]
	row.authority = FramehubRow.Authority.OWNER
	row.owner_column = "ownr"
	tree.root.add_child(shown[0] as Node)
	equal(row._complaints.size(), 4, "complaints: %s" % [row._complaints])
	var other: Array = _show(one, 1)
	(other[1] as FramehubRow).table = "thng"
	(other[1] as Node).name = "Row"
	(other[0] as Node).name = "Things"
	tree.root.add_child(other[0] as Node)
	equal((other[1] as FramehubRow)._complaints.size(), 1, "a table that is not there")
	var spawner: FramehubSpawner = FramehubSpawner.new()
	spawner.client = one
	spawner.table = "things"
	spawner.scene = _scene()
	tree.root.add_child(spawner)
	later(func() -> void: spawner.free())
	hub.kill()
	await hub.start(self)
	await until(func() -> bool: return one.is_complete(), "live again")
	equal(row._complaints.size(), 4, "each is said once")


func test_the_overlay() -> void:
	var hub: FramehubTestHub = await _hub()
	var one: FramehubClient = await _live(hub)
	var overlay: FramehubOverlay = (load("res://addons/framehub/framehub_overlay.tscn") as PackedScene).instantiate()
	overlay.client = one
	tree.root.add_child(overlay)
	later(func() -> void: overlay.queue_free())
	one.poll_budget = 1000.0  # on a busy machine the overlay would have a line more
	one.budget_spent = 0
	await tree.process_frame
	check(overlay.words().begins_with("live  version"), overlay.words())
	equal((overlay.get_node("Panel/Label") as Label).text.get_slice_count("\n"), 5, "lines")

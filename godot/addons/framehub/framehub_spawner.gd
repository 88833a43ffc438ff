@icon("icons/spawner.svg")
class_name FramehubSpawner
extends Node
## A scene for each row of a table: it comes with the row and goes with it, also where the row only enters
## or leaves what is subscribed to.
##
## [FramehubRow] nodes of the scene that name no other table are bound to the row. Scenes that go are kept,
## and used again.

## Emitted when a row has its node, which is in the tree.
signal spawned(key: Variant, node: Node)
## Emitted before a row's node leaves the tree.
signal despawned(key: Variant, node: Node)

## The device. Null: the first of the group [code]framehub_client[/code].
@export var client: FramehubClient = null
## The table's name.
@export var table: String = ""
## What each row is shown by.
@export var scene: PackedScene = null
## Where the nodes go. Null: here.
@export var container: Node = null
## So many nodes that are not in use are kept.
@export var pool: int = 64

## Says which rows are shown, where it is set: func(table: FramehubTable, row: int) -> bool. It is asked
## when a row comes or changes.
var filter: Callable = Callable()

var _nodes: Dictionary = {}
var _free: Array[Node] = []


func _ready() -> void:
	if client == null:
		client = get_tree().get_first_node_in_group(FramehubClient.GROUP) as FramehubClient
	if container == null:
		container = self
	if client == null or scene == null:
		push_error("FramehubSpawner needs a client and a scene")
		return
	client.rows_changed.connect(_on_rows_changed)
	client.rows_removed.connect(_on_rows_removed)
	client.connected.connect(_look_at_name)
	client.schema_changed.connect(refresh)
	_look_at_name()
	refresh()


func _notification(what: int) -> void:
	if what == NOTIFICATION_PREDELETE:
		for node: Variant in _free + _nodes.values():
			if is_instance_valid(node) and not is_ancestor_of(node as Node):
				(node as Node).queue_free()


## The node of a row, or null.
func node_of(key: Variant) -> Node:
	var shown: Variant = _nodes.get(FramehubKey.of_many(key) if key is Array else FramehubKey.of(key))
	return shown if is_instance_valid(shown) else null


## How many rows are shown.
func count() -> int:
	return _nodes.size()


## Looks at all rows anew: after [member filter] has changed.
func refresh() -> void:
	var rows: FramehubTable = client.table(table)
	for key: Variant in _nodes.keys():
		if rows == null or not rows.has(key):
			_despawn(key)
	if rows != null:
		_on_rows_changed(rows, PackedInt32Array(range(rows.count)))


# Rows of a table that is misspelt never come: says so.
func _look_at_name() -> void:
	if client.schema() != null and client.table(table) == null:
		push_error("FramehubSpawner %s: the hub has no table '%s' that this device may read" % [get_path(), table])


func _on_rows_changed(rows: FramehubTable, places: PackedInt32Array) -> void:
	if rows.name != table:
		return
	for place: int in places:
		var key: Variant = rows.key_at(place)
		var shown: bool = not filter.is_valid() or filter.call(rows, place)
		if shown and not _nodes.has(key):
			_spawn(key)
		elif not shown and _nodes.has(key):
			_despawn(key)


func _on_rows_removed(rows: FramehubTable, keys: Array) -> void:
	if rows.name != table:
		return
	for key: Variant in keys:
		if _nodes.has(key):
			_despawn(key)


func _spawn(key: Variant) -> void:
	var node: Node = _take_free()
	if node == null:
		node = scene.instantiate()
	_nodes[key] = node
	for row: FramehubRow in _rows_of(node):
		row.client = client
		row.table = table
		row.key = key
	container.add_child(node)
	spawned.emit(key, node)


# A node that is kept, or null. The game may have freed it.
func _take_free() -> Node:
	while not _free.is_empty():
		var kept: Variant = _free.pop_back()
		if is_instance_valid(kept) and not (kept as Node).is_queued_for_deletion():
			return kept
	return null


func _despawn(key: Variant) -> void:
	var shown: Variant = _nodes[key]
	_nodes.erase(key)
	if not is_instance_valid(shown):
		return  # the game has freed it
	var node: Node = shown
	despawned.emit(key, node)
	if not is_instance_valid(node) or node.is_queued_for_deletion():
		return  # now it has
	if node.get_parent() != null:
		node.get_parent().remove_child(node)
	if _free.size() < pool:
		_free.append(node)
	else:
		node.queue_free()


func _rows_of(node: Node) -> Array[FramehubRow]:
	var found: Array[FramehubRow] = []
	for child: Node in node.find_children("*", "", true, false) + [node]:
		if child is FramehubRow and ((child as FramehubRow).table.is_empty() or (child as FramehubRow).table == table):
			found.append(child as FramehubRow)
	return found

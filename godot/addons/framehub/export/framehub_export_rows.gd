class_name FramehubExportRows
extends RefCounted
## The game's rows of an export: those of its scenes, and those that the project's script adds.

## Nodes of this group become rows.
const GROUP: StringName = &"framehub"

var _puts: Dictionary[String, Dictionary] = {}  # rows by key as JSON, by table
var _deletes: Array[Array] = []  # [table, key]
var _scenes: Dictionary[String, bool] = {}  # whether one has nodes of the group, by path
var _where: Dictionary[String, String] = {}  # where a row is from, by table and key
var _found: Array[Array] = []  # [table, row, where]: rows that wait for the schema
var _shape_of: Callable = Callable()
var _error: String = ""


## See [method FramehubExporter.put].
func put(table: String, row: Dictionary) -> void:
	_found.append([table, row.duplicate(), "the export script"])


## See [method FramehubExporter.delete].
func delete(table: String, key: Dictionary) -> void:
	_deletes.append([table, key.duplicate()])


## Notes the rows of a scene.
func add_scene(path: String) -> void:
	var scene: PackedScene = load(path) as PackedScene
	if scene == null or not _has_group(scene):
		return
	var root: Node = scene.instantiate()
	_add_nodes(root, root, path)
	root.free()


# Whether a scene, or one within it, has nodes of the group.
func _has_group(scene: PackedScene) -> bool:
	if not scene.resource_path.is_empty() and _scenes.has(scene.resource_path):
		return _scenes[scene.resource_path]
	var found: bool = false
	var state: SceneState = scene.get_state()
	while state != null and not found:
		for i: int in state.get_node_count():
			var within: PackedScene = state.get_node_instance(i)
			found = found or state.get_node_groups(i).has(GROUP) or (within != null and _has_group(within))
		state = state.get_base_scene_state()
	_scenes[scene.resource_path] = found
	return found


func _add_nodes(node: Node, root: Node, path: String) -> void:
	if node.is_in_group(GROUP):
		var binding: FramehubRow = _binding(node)
		if binding == null:
			_fail("%s: the node %s is in the group %s and has no FramehubRow" % [path, root.get_path_to(node), GROUP])
		elif not str(binding.get("key_text")).is_empty():
			_add_row(binding, "%s: the node %s" % [path, root.get_path_to(node)])
	for child: Node in node.get_children():
		_add_nodes(child, root, path)


func _binding(node: Node) -> FramehubRow:
	if node is FramehubRow:
		return node
	for child: Node in node.get_children():
		if child is FramehubRow:
			return child
	return null


# In the editor the script of a binding does not run: its properties are there all the same.
func _add_row(binding: FramehubRow, where: String) -> void:
	var of: Node = binding.get("target") as Node
	if of == null:
		of = binding.get_parent()
	var row: Dictionary = {"": str(binding.get("key_text"))}  # the key, until its column is known
	var columns: Dictionary = binding.get("columns")
	for column: String in columns:
		var value: Variant = of.get_indexed(NodePath(str(columns[column])))
		if (
			typeof(value)
			not in [TYPE_BOOL, TYPE_INT, TYPE_FLOAT, TYPE_STRING, TYPE_STRING_NAME, TYPE_PACKED_BYTE_ARRAY]
		):
			var kind: String = type_string(typeof(value))
			_fail("%s: %s, for column %s, is %s, and no value of SQL's" % [where, columns[column], column, kind])
			return
		row[column] = value
	_found.append([str(binding.get("table")), row, where])


func _fail(words: String) -> void:
	if _error.is_empty():
		_error = words


## Brings the rows together with the hub's tables, which [param shape_of] has. Returns words where they don't
## fit.
func describe(shape_of: Callable) -> String:
	_shape_of = shape_of
	for found: Array in _found:
		var shape: FramehubSchema.TableShape = shape_of.call(found[0])
		if shape == null:
			_fail("%s: the hub has no table %s" % [found[2], found[0]])
			break
		_take(shape, found[1], found[2])
	return _error


func _take(shape: FramehubSchema.TableShape, row: Dictionary, where: String) -> void:
	if row.has(""):
		if shape.key_length > 1:
			_fail("%s: the key of table %s has several columns, which a key_text can't say" % [where, shape.name])
			return
		var text: String = row[""]
		row.erase("")
		row[shape.columns[0]] = text.to_int() if shape.types[0] == "INTEGER" else text
	for column: String in row:
		var at: int = shape.columns.find(column)
		if at < 0:
			_fail("%s: table %s has no column %s" % [where, shape.name, column])
		elif shape.types[at] == "INTEGER" and row[column] is float:
			row[column] = roundi(row[column] as float)
	var key: String = _key_of(shape, row)
	var rows: Dictionary = _puts.get_or_add(shape.name, {})
	if rows.has(key) and rows[key] != row:
		var other: String = _where[shape.name + key]
		_fail("%s: the row %s of %s is another one in %s" % [where, key, shape.name, other])
	rows[key] = row
	_where[shape.name + key] = where


static func _key_of(shape: FramehubSchema.TableShape, row: Dictionary) -> String:
	var key: Array = []
	for i: int in shape.key_length:
		key.append(row.get(shape.columns[i]))
	return JSON.stringify(key if key.size() > 1 else key[0])


## A transaction of what is put, which shows how large that is.
func puts() -> FramehubTx:
	var tx: FramehubTx = FramehubTx.new()
	for table: String in _puts:
		_put_rows(tx, table)
	return tx


## Adds all of it to the transaction of a release. [param was] is what exports have put before: preset, table
## and key.
func fill(tx: FramehubTx, preset: String, was: Array[Array]) -> void:
	for table: String in _puts:
		_put_rows(tx, table)
	var elsewhere: Dictionary[Array, bool] = {}
	var before: Dictionary[Array, bool] = {}
	for row: Array in was:
		(before if row[0] == preset else elsewhere)[[row[1], row[2]]] = true
	for table: String in _puts:
		for key: String in _puts[table]:
			if not before.erase([table, key]) and _can_be_told(table, _puts[table][key]):
				tx.put("release_row", {"preset": preset, "name": table, "key": key})
	for gone: Array in before:
		tx.delete("release_row", {"preset": preset, "name": gone[0], "key": gone[1]})
		var shape: FramehubSchema.TableShape = _shape_of.call(gone[0])
		if not elsewhere.has(gone) and shape != null:
			tx.delete(gone[0], _key_from(shape, gone[1]))
	for one: Array in _deletes:
		tx.delete(one[0], one[1])


# Rows that name the same columns go together.
func _put_rows(tx: FramehubTx, table: String) -> void:
	var groups: Dictionary[Array, Dictionary] = {}
	for row: Dictionary in _puts[table].values():
		var names: Array = row.keys()
		names.sort()
		var columns: Dictionary = groups.get_or_add(names, {})
		for column: String in names:
			(columns.get_or_add(column, []) as Array).append(row[column])
	for columns: Dictionary in groups.values():
		tx.put_rows(table, columns)


# A key with a fraction or a blob in it is not noted, and its row stays.
func _can_be_told(table: String, row: Dictionary) -> bool:
	var shape: FramehubSchema.TableShape = _shape_of.call(table)
	for i: int in shape.key_length:
		if typeof(row.get(shape.columns[i])) not in [TYPE_INT, TYPE_STRING, TYPE_STRING_NAME]:
			return false
	return true


# JSON knows no whole numbers.
static func _key_from(shape: FramehubSchema.TableShape, text: String) -> Dictionary:
	var parsed: Variant = JSON.parse_string(text)
	var values: Array = parsed if shape.key_length > 1 else [parsed]
	var key: Dictionary = {}
	for i: int in shape.key_length:
		var whole: bool = values[i] is float and shape.types[i] == "INTEGER"
		key[shape.columns[i]] = int(values[i] as float) if whole else values[i]
	return key

@icon("icons/row.svg")
class_name FramehubRow
extends Node
## Binds a row to a node's properties, both ways.
##
## Where the row is this device's to move ([member authority]), properties that change are written, [member
## rate] times a second; they show what was set at once, and go back where the hub refuses it or makes
## something else of it. Where it is not, what comes from the hub is set, [member smoothed] columns gliding
## from one value to the next.
## [codeblock]
## # A child of a CharacterBody3D:
## row.table = "player"
## row.key = 7
## row.columns = {"x": "position:x", "z": "position:z", "heading": "rotation:y"}
## row.smoothed = ["x", "z", "heading"]
## [/codeblock]

## Emitted when the row comes.
signal appeared
## Emitted when the row has gone, or left what is subscribed to.
signal vanished
## Emitted when the hub refused what was written. The properties have gone back.
signal refused(code: String, text: String)

## Whose changes count.
enum Authority {
	HUB,  ## The hub's: properties are set, and never written.
	LOCAL,  ## This device's.
	OWNER,  ## This device's where [member owner_column] says so.
}

## The device. Null: the first of the group [code]framehub_client[/code].
@export var client: FramehubClient = null
## The table's name.
@export var table: String = ""
## The key as a text, for a row that is known in the editor. Scripts set [member key].
@export var key_text: String = ""
## The node whose properties are bound. Null: the parent.
@export var target: Node = null
## Properties by column, as [code]position:x[/code].
@export var columns: Dictionary[String, String] = {}
## Columns of fractions that glide.
@export var smoothed: PackedStringArray = []
## Those of [member smoothed] that are angles in radians.
@export var angles: PackedStringArray = []
## Who moves the row: whose changes of the properties count.
@export var authority: Authority = Authority.HUB
## The column that says whose the row is.
@export var owner_column: String = "owner"
## What this device's rows have there. Empty: the device's id.
@export var owner_value: String = ""
## Writes a second.
@export_range(1.0, 60.0) var rate: float = 20.0
## Whether what was set is shown before the hub has it.
@export var predict: bool = true
## Whether writes survive the game (see [member FramehubTx.durable]).
@export var durable: bool = false

## The row's key: an int, a String, or an Array where it has several columns. Set it before the node enters
## the tree, or call [method bind].
var key: Variant = null

var _there: bool = false
var _known: Dictionary[String, Variant] = {}  # what the property had when it was last set or written
var _bound: int = 0  # how often it was bound or unbound
var _under_way: int = 0
var _settled_at: int = 0  # the version of the last write that has its outcome
var _owing: bool = false  # the copy is to be looked at when it has that version
var _wait: float = 0.0  # seconds to the next write
var _from: Dictionary[String, float] = {}
var _to: Dictionary[String, float] = {}
var _glide: float = 1.0  # of the way
var _span: float = 0.05  # seconds between two values
var _came: int = 0
var _complaints: PackedStringArray = []


func _enter_tree() -> void:
	if key != null or not key_text.is_empty():
		bind(key)


func _exit_tree() -> void:
	unbind()


## Binds to the row with a key.
func bind(to: Variant) -> void:
	unbind()
	if client == null:
		client = get_tree().get_first_node_in_group(FramehubClient.GROUP) as FramehubClient
	if target == null:
		target = get_parent()
	if client == null:
		push_error("FramehubRow finds no FramehubClient")
		return
	if to == null:
		to = key_text.to_int() if key_text.is_valid_int() else key_text
	key = to
	client.watch(table, key, _told)
	client.connected.connect(_look_at_names)
	client.schema_changed.connect(_on_schema_changed)
	_look_at_names()
	_told()


## Ends what [method bind] began.
func unbind() -> void:
	if key != null and is_instance_valid(client):
		client.unwatch(table, key, _told)
		if client.schema_changed.is_connected(_on_schema_changed):
			client.connected.disconnect(_look_at_names)
			client.schema_changed.disconnect(_on_schema_changed)
	_bound += 1
	_there = false
	_known.clear()
	_to.clear()
	_under_way = 0
	_owing = false


## Whether the row is this device's to move.
func is_mine() -> bool:
	match authority:
		Authority.LOCAL:
			return true
		Authority.OWNER:
			var rows: FramehubTable = client.table(table) if _there else null
			if rows == null or not rows.has_column(owner_column):
				return false
			var whose: Variant = rows.find(key, owner_column)
			if owner_value.is_empty():
				return whose is PackedByteArray and whose == client.device
			return whose != null and str(whose) == owner_value
	return false


func _process(delta: float) -> void:
	if not _there:
		return
	if _owing and client.version() >= _settled_at and _under_way == 0:
		_owing = false
		_take(false)
	if is_mine():
		_wait -= delta
		if _wait <= 0.0:
			_wait = 1.0 / rate
			_write_changes()
	elif _glide < 1.0:
		_glide = minf(1.0, _glide + delta / _span)
		for column: String in _to:
			var a: float = _from[column]
			var b: float = _to[column]
			_set_property(column, lerp_angle(a, b, _glide) if angles.has(column) else lerpf(a, b, _glide))


func _on_schema_changed() -> void:
	_look_at_names()
	_told()


# A name that is misspelt binds nothing: says so, once.
func _look_at_names() -> void:
	var rows: FramehubTable = client.table(table)
	if rows == null:
		if client.schema() != null:
			_complain("the hub has no table '%s' that this device may read" % table)
		return
	var there: String = "table %s has no column '%%s', it has %s" % [table, ", ".join(rows.shape.columns)]
	for column: String in columns:
		if not rows.has_column(column):
			_complain(there % column)
		var property: String = columns[column]
		if not property.get_slice(":", 0) in target:
			_complain("%s has no property '%s' for column %s" % [target.name, property, column])
	if authority == Authority.OWNER and not rows.has_column(owner_column):
		_complain(there % owner_column)
	for column: String in smoothed + angles:
		if not columns.has(column):
			_complain("'%s' is to glide, and is none of its columns" % column)


func _complain(words: String) -> void:
	if not _complaints.has(words):
		_complaints.append(words)
		push_error("FramehubRow %s: %s" % [get_path() if is_inside_tree() else name, words])


# The row came, changed or went.
func _told() -> void:
	var rows: FramehubTable = client.table(table)
	var is_there: bool = rows != null and rows.has(key)
	if is_there and not _there:
		_there = true
		_take(false)
		appeared.emit()
	elif is_there:
		if not is_mine():
			_take(true)
		elif _under_way == 0 and not _owing:
			_take(false)  # somebody else has moved it
	elif _there:
		_there = false
		vanished.emit()


# Sets the properties to what the copy has.
func _take(may_glide: bool) -> void:
	var rows: FramehubTable = client.table(table)
	var row: int = rows.row_of(key) if rows != null else -1
	if row < 0:
		return
	_start_glide(may_glide)
	for column: String in columns:
		var value: Variant = rows.value(row, column) if rows.has_column(column) else null
		if value == null or value is StringName:
			continue
		if smoothed.has(column) and may_glide and _known.has(column):
			_from[column] = _property(column)
			_to[column] = value
		elif not _changed_here(column):
			_set_property(column, value)


func _start_glide(may_glide: bool) -> void:
	var now: int = Time.get_ticks_usec()
	if may_glide:
		_span = clampf(lerpf(_span, (now - _came) / 1e6, 0.2), 1.0 / 60.0, 0.25)
		_glide = 0.0
	_to.clear()
	_came = now


# Whether the game has moved the property since it was set or written.
func _changed_here(column: String) -> bool:
	return is_mine() and _known.has(column) and _property(column) != _known[column]


func _property(column: String) -> Variant:
	return target.get_indexed(NodePath(columns[column]))


func _set_property(column: String, value: Variant) -> void:
	target.set_indexed(NodePath(columns[column]), value)
	_known[column] = _property(column)


func _write_changes() -> void:
	var values: Dictionary = {}
	for column: String in columns:
		var value: Variant = _property(column)
		if _known.get(column) != value:
			values[column] = value
			if predict:
				_known[column] = value
	if values.is_empty() or _under_way > 16:
		return
	if not predict:
		_take(false)
		for column: String in values:
			_set_property(column, _known[column])
	_write(values)


func _write(values: Dictionary) -> void:
	var shape: FramehubSchema.TableShape = client.table(table).shape
	var row: Dictionary = {}
	for i: int in shape.key_length:
		row[shape.columns[i]] = key[i] if key is Array else key
	for column: String in values:
		var whole: bool = shape.types[shape.columns.find(column)] == "INTEGER"
		row[column] = roundi(values[column] as float) if whole and values[column] is float else values[column]
	var tx: FramehubTx = FramehubTx.new().touch(table, row)
	tx.durable = durable
	if client.write(tx) != OK:
		for column: String in values:
			_known.erase(column)  # tried again
		return
	_under_way += 1
	tx.done.connect(_on_written.bind(tx, values, _bound), CONNECT_ONE_SHOT)


func _on_written(tx: FramehubTx, values: Dictionary, bound: int) -> void:
	if bound != _bound:
		return  # it shows another row by now, or none
	_under_way -= 1
	_settled_at = maxi(_settled_at, tx.version)
	_owing = true
	if not tx.code.is_empty():
		for column: String in values:
			_known.erase(column)  # not the game's doing any more
		_settled_at = maxi(_settled_at, client.version())
		_go_back(values)
		refused.emit(tx.code, tx.text)


# What was refused shows what the copy has.
func _go_back(values: Dictionary) -> void:
	var rows: FramehubTable = client.table(table)
	if not _there or not rows.has(key):
		return
	for column: String in values:
		var value: Variant = rows.find(key, column)
		if value != null:
			_set_property(column, value)

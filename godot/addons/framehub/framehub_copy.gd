class_name FramehubCopy
extends RefCounted
## What the hub has shown this device: tables, and to which version each subscription is complete.
##
## Methods that take what the hub sent return words where it does not fit; the copy is then as it was
## before.

## Tables by name.
var tables: Dictionary[String, FramehubTable] = {}
## Subscriptions in force, in the hub's order.
var subs: Array[FramehubSub] = []
## The newest version that this session was sent, snapshotted or resumed at.
var version: int = 0
## Whether the last words were of frames that are missing: the copy is right then, and can be resumed.
var gap: bool = false
## What the last message changed.
var changes: Array[FramehubChange] = []

var _by_number: Dictionary[int, FramehubTable] = {}
var _aside: Dictionary[int, Array] = {}  # blocks of snapshots that have not ended, by id
var _parts: Array[FramehubFrame] = []  # of a frame that has not come whole


## Takes over a schema. Tables keep their rows until a snapshot replaces them; those of a table that has gone, or has
## another shape, go now: [member changes] has their keys.
func describe(schema: FramehubSchema) -> void:
	changes = []
	_by_number.clear()
	var before: Dictionary[String, FramehubTable] = tables
	tables = {}
	for shape: FramehubSchema.TableShape in schema.tables:
		var table: FramehubTable = before.get(shape.name)
		if table == null:
			table = FramehubTable.new(shape)
		else:
			_note_cleared(table, table.describe.bind(shape))
		tables[shape.name] = table
		_by_number[shape.number] = table
	for name: String in before:
		if not tables.has(name):
			_note_cleared(before[name], before[name].clear)


# Does what may take all rows of a table.
func _note_cleared(table: FramehubTable, may_clear: Callable) -> void:
	var change: FramehubChange = FramehubChange.new()
	change.table = table
	change.removed = table.keys()
	may_clear.call()
	if table.count == 0:
		_note(change)


## The table of a number in the schema, or null.
func numbered(number: int) -> FramehubTable:
	return _by_number.get(number)


## Begins a session.
func begin(resumed: bool) -> void:
	_aside.clear()
	_parts.clear()
	version = 0
	for sub: FramehubSub in subs:
		if not resumed:
			sub.since = -1
		version = maxi(version, sub.since)


## Gives up what the copy is complete to: all of it is to be sent again.
func forget() -> void:
	for sub: FramehubSub in subs:
		sub.since = -1


## Sets a part of a snapshot aside.
func set_aside(id: int, blocks: Array[FramehubBlock]) -> String:
	for block: FramehubBlock in blocks:
		var words: String = _fault(block, true)
		if not words.is_empty():
			return words
	var all: Array = _aside.get_or_add(id, [])
	all.append_array(blocks)
	return ""


func _fault(block: FramehubBlock, whole: bool) -> String:
	var table: FramehubTable = _by_number.get(block.table)
	if table == null:
		return "there is no table with number %d" % block.table
	return table.fault(block, whole)


## Puts a snapshot in place: [param list] is in force from now on, and the snapshot is of [param fresh],
## some of them.
func place(id: int, at_version: int, fresh: Array[FramehubSub], list: Array[FramehubSub]) -> void:
	var blocks: Array = _aside.get(id, [])
	_aside.erase(id)
	changes = []
	for name: String in _touched(id, fresh, list):
		var table: FramehubTable = tables.get(name)
		if table == null:
			continue
		var others: Array[FramehubSub] = []
		for sub: FramehubSub in list:
			if sub.table == name and sub.since >= 0 and not fresh.has(sub):
				others.append(sub)
		var own: Array = blocks.filter(func(b: FramehubBlock) -> bool: return _by_number.get(b.table) == table)
		_note(_replace(table, own, at_version, others))
	for sub: FramehubSub in fresh:
		sub.since = at_version
	subs = list
	version = maxi(version, at_version)


# The names of tables that a snapshot is of. At the beginning of a session all: subscriptions may have been
# given up while there was none.
func _touched(id: int, fresh: Array[FramehubSub], list: Array[FramehubSub]) -> Array:
	if id == 0:
		return tables.keys()
	var names: Dictionary[String, bool] = {}
	for sub: FramehubSub in fresh:
		names[sub.table] = true
	for sub: FramehubSub in subs:
		if not list.has(sub):
			names[sub.table] = true
	return names.keys()


func _note(change: FramehubChange) -> void:
	if change.rows.size() + change.removed.size() > 0:
		changes.append(change)


# Replaces a table's rows by a snapshot's, but for those that other subscriptions hold.
func _replace(table: FramehubTable, blocks: Array, at_version: int, others: Array[FramehubSub]) -> FramehubChange:
	if not others.is_empty():
		return _replace_among(table, blocks, at_version, others)
	var change: FramehubChange = FramehubChange.new()
	change.table = table
	var before: Array = table.keys()
	table.clear()
	for block: FramehubBlock in blocks:
		table.put(table.block_keys(block), block, at_version)
	change.rows = PackedInt32Array(range(table.count))
	if not table.has_all(before):
		change.removed = before.filter(func(key: Variant) -> bool: return not table.has(key))
	return change


# Where other subscriptions are newer than the snapshot, they also know better which rows there are.
func _replace_among(table: FramehubTable, blocks: Array, at_version: int, others: Array[FramehubSub]) -> FramehubChange:
	var change: FramehubChange = FramehubChange.new()
	change.table = table
	var held: Callable = func(row: int) -> bool: return _held(table, row, others, 0)
	var loose: Array = range(table.count).filter(func(row: int) -> bool: return not held.call(row))
	var gone: Array = table.remove(loose.map(table.key_at))
	var came: Array = []
	for block: FramehubBlock in blocks:
		came.append_array(_put_older(table, block, at_version, others))
	for key: Variant in came:
		change.rows.append(table.row_of(key))
	change.removed = gone.filter(func(key: Variant) -> bool: return not table.has(key))
	return change


# Puts the rows of a snapshot's block, but for those that a newer subscription shows, or would show. Returns
# their keys.
func _put_older(table: FramehubTable, block: FramehubBlock, at_version: int, others: Array[FramehubSub]) -> Array:
	var list: Array = table.block_keys(block)
	var wanted: PackedInt32Array = []
	for i: int in list.size():
		var row: int = table.row_of(list[i])
		var newer: bool = row >= 0 and _held(table, row, others, at_version)
		for sub: FramehubSub in others:
			if newer or sub.since < at_version:
				continue
			var scope: Variant = block.data[table.shape.scope][i] if table.shape.scope >= 0 else null
			newer = sub.covers(scope)
		if not newer:
			wanted.append(i)
	var part: FramehubBlock = FramehubBlock.new()
	part.table = block.table
	part.columns = block.columns
	part.rows = wanted.size()
	for values: Variant in block.data:
		part.data.append(Array(wanted).map(func(i: int) -> Variant: return values[i]))
	var came: Array = Array(wanted).map(func(i: int) -> Variant: return list[i])
	table.put(came, part, at_version)
	return came


func _held(table: FramehubTable, row: int, others: Array[FramehubSub], since: int) -> bool:
	for sub: FramehubSub in others:
		if sub.since >= since and table.covered(row, sub):
			return true
	return false


## Takes a frame. Its changes are there once it has come whole.
func apply(frame: FramehubFrame) -> String:
	gap = frame.previous > version
	changes = []
	if gap:
		return "frames are missing: this one comes after version %d, the copy has %d" % [frame.previous, version]
	if not _parts.is_empty() and _parts[0].version != frame.version:
		return "a frame came before the last one was whole"
	var words: String = ""
	if _parts.is_empty() and not frame.more and frame.removed.is_empty() and frame.blocks.size() == 1:
		words = _apply_one(frame.blocks[0], frame.version)
	else:
		_parts.append(frame)
		if frame.more:
			return ""
		var parts: Array[FramehubFrame] = _parts
		_parts = []
		words = _look_over(parts)
		if words.is_empty():
			_carry_out(parts)
	if not words.is_empty():
		return words
	for i: int in subs.size():
		# Before its snapshot nothing is complete.
		if subs[i].since >= 0 and (frame.complete == null or i in frame.complete):
			subs[i].since = frame.version
	version = maxi(version, frame.version)
	return ""


## Whether a frame has begun and is not whole.
func in_frame() -> bool:
	return not _parts.is_empty()


# What most frames are: rows of one table, and none that went.
func _apply_one(block: FramehubBlock, at_version: int) -> String:
	var words: String = _look_at(block)
	if not words.is_empty():
		return words
	var table: FramehubTable = _by_number[block.table]
	if block.columns.size() < table.shape.columns.size() and not table.has_all(block.keys):
		return _lacking(table)
	var change: FramehubChange = FramehubChange.new()
	change.table = table
	change.rows = table.put(block.keys, block, at_version)
	_note(change)
	return ""


# Whether a block fits its table. It then has its keys.
func _look_at(block: FramehubBlock) -> String:
	var words: String = _fault(block, false)
	if words.is_empty():
		block.keys = _by_number[block.table].block_keys(block)
	return words


func _lacking(table: FramehubTable) -> String:
	return "a part came of a row of %s that this copy does not have" % table.name


# Looks at all of a frame before anything of it is done. Blocks then have their keys.
func _look_over(parts: Array[FramehubFrame]) -> String:
	var gone: Dictionary[int, Dictionary] = {}  # keys, by the numbers of tables
	for part: FramehubFrame in parts:
		for block: FramehubBlock in part.removed:
			var words: String = _look_at(block)
			if not words.is_empty():
				return words
			var table: FramehubTable = _by_number[block.table]
			if block.columns.size() != table.shape.key_length:
				return "rows of %s to remove have more than their key" % table.name
			var keys: Dictionary = gone.get_or_add(block.table, {})
			for key: Variant in block.keys:
				keys[key] = true
	for part: FramehubFrame in parts:
		for block: FramehubBlock in part.blocks:
			var words: String = _look_at(block)
			if not words.is_empty():
				return words
			var table: FramehubTable = _by_number[block.table]
			if block.columns.size() < table.shape.columns.size() and not _all_there(table, block, gone):
				return _lacking(table)
	return ""


# A part of a row is only good for a row that is here, and is not removed by the same frame.
func _all_there(table: FramehubTable, block: FramehubBlock, gone: Dictionary[int, Dictionary]) -> bool:
	if gone.has(block.table):
		var left: Dictionary = gone[block.table]
		if block.keys.any(func(key: Variant) -> bool: return left.has(key)):
			return false
	return table.has_all(block.keys)


func _carry_out(parts: Array[FramehubFrame]) -> void:
	var of: Dictionary[int, FramehubChange] = {}  # by the numbers of tables
	for part: FramehubFrame in parts:
		for block: FramehubBlock in part.removed:
			_change_of(of, block.table).removed.append_array(_by_number[block.table].remove(block.keys))
	for part: FramehubFrame in parts:
		for block: FramehubBlock in part.blocks:
			var places: PackedInt32Array = _by_number[block.table].put(block.keys, block, parts[-1].version)
			_change_of(of, block.table).rows.append_array(places)
	for change: FramehubChange in of.values():
		if not change.removed.is_empty() and not change.rows.is_empty():
			var table: FramehubTable = change.table
			# A key in both is a replacement.
			change.removed = change.removed.filter(func(key: Variant) -> bool: return not table.has(key))
		_note(change)


func _change_of(of: Dictionary[int, FramehubChange], number: int) -> FramehubChange:
	if not of.has(number):
		of[number] = FramehubChange.new()
		of[number].table = _by_number[number]
	return of[number]


## Whether all subscriptions are complete to a version.
func complete_to(at_version: int) -> bool:
	for sub: FramehubSub in subs:
		if sub.since < at_version:
			return false
	return true

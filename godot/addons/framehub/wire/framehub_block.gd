class_name FramehubBlock
extends RefCounted
## Rows of one table that carry the same columns, in columns.
##
## A column of [member data] is a packed array where it came as one, else an Array. Whole numbers are a
## PackedByteArray, PackedInt32Array or PackedInt64Array, fractions a PackedFloat32Array or
## PackedFloat64Array.

## The largest number of a table.
const MAX_TABLE: int = (1 << 31) - 1
## So many columns at most.
const MAX_COLUMNS: int = 2000
## So many rows at most.
const MAX_ROWS: int = (1 << 31) - 1

## The table's number in the schema.
var table: int = 0
## Column numbers, key columns first.
var columns: PackedInt32Array = []
## How many rows.
var rows: int = 0
## The keys of the rows, once a table has looked at them (see [method FramehubTable.block_keys]).
var keys: Array = []
## One array of [member rows] values for each of [member columns].
var data: Array = []


## Reads a block. What is wrong with it, [param r] then says.
static func read(r: FramehubCbor) -> FramehubBlock:
	var block: FramehubBlock = FramehubBlock.new()
	var left: int = r.array("a block")
	block.table = r.uint("a block's table", MAX_TABLE)
	block._read_columns(r)
	block.rows = r.uint("a block's number of rows", MAX_ROWS)
	left -= 3
	if left < block.columns.size():
		r.fail("a block names %d columns and holds %d" % [block.columns.size(), left])
	for column: int in block.columns:
		if not r.error.is_empty():
			return block
		block.data.append(FramehubColumn.read(r, "a column of a block", block.rows))
		left -= 1
	while left > 0 and r.error.is_empty():
		r.skip()
		left -= 1
	return block


func _read_columns(r: FramehubCbor) -> void:
	var count: int = r.array("the columns of a block")
	if count < 1 or count > MAX_COLUMNS:
		r.fail("a block names %d columns, it must be 1 to %d" % [count, MAX_COLUMNS])
		return
	var short: Variant = r.short_rising(count)
	if short != null:
		columns = short
		return
	for i: int in count:
		var column: int = r.uint("a column number", MAX_COLUMNS - 1)
		if columns.has(column):
			r.fail("a block names a column twice")
		if not r.error.is_empty():
			return
		columns.append(column)


## Writes what comes before the number of rows of a block with these columns.
static func write_head(w: FramehubCborWriter, table_number: int, numbers: PackedInt32Array) -> void:
	w.array(3 + numbers.size())
	w.integer(table_number)
	w.array(numbers.size())
	for column: int in numbers:
		w.integer(column)


## Writes the block, each column in the smallest form that loses nothing. [param types] are those of the
## table's columns, as "REAL": a whole number for a REAL column travels as a fraction. Returns words where a value is
## none of SQL's.
func write(w: FramehubCborWriter, types: PackedStringArray = []) -> String:
	write_head(w, table, columns)
	w.integer(rows)
	for i: int in columns.size():
		if not FramehubColumn.write(w, data[i], columns[i] < types.size() and types[columns[i]] == "REAL"):
			return "column %d of a block holds what is no value of SQL's" % columns[i]
	return ""

class_name FramehubSchema
extends RefCounted
## The database as the hub describes it to this session.

## Bits of [member TableShape.rights]. ON_DEMAND is no right: the table is left out of what a device gets that
## does not say what it wants.
enum Right { READ = 1, INSERT = 2, UPDATE = 4, DELETE = 8, ON_DEMAND = 16 }
## Bits of [member TableShape.flags].
enum Flag { NOT_NULL = 1, READ_ONLY = 2, HAS_DEFAULT = 4 }


## A table: its columns, key columns first.
class TableShape:
	extends RefCounted
	## What blocks call it.
	var number: int = 0
	## The table's name.
	var name: String = ""
	## How many columns the primary key has.
	var key_length: int = 0
	## The column that devices subscribe by, or -1.
	var scope: int = -1
	## The columns' names, key columns first.
	var columns: PackedStringArray = []
	## "INTEGER", "REAL", "TEXT", "BLOB" or "ANY", of each column.
	var types: PackedStringArray = []
	## Bits of [enum FramehubSchema.Flag], of each column.
	var flags: PackedInt32Array = []
	## Bits of [enum FramehubSchema.Right]: what this session may do.
	var rights: int = 0
	## "durable", or "live": shown before it is durable.
	var kind: String = ""
	## What [FramehubTx] has found of ops on the table, by their kind and the columns that they name.
	var forms: Dictionary[int, Dictionary] = {}

	## Whether a device that does not say what it wants gets the table.
	func by_default() -> bool:
		return rights & (Right.READ | Right.ON_DEMAND) == Right.READ and not name.begins_with("framehub_")

	## Whether rows of one are rows of the other.
	func same_shape(other: TableShape) -> bool:
		return (
			name == other.name
			and key_length == other.key_length
			and scope == other.scope
			and columns == other.columns
			and types == other.types
		)


## The schema's number, which rises with each change of a table.
var version: int = 0
## The tables that this session may know of.
var tables: Array[TableShape] = []


## Whether the tables are the same, and what may be done with them.
func same(other: FramehubSchema) -> bool:
	if version != other.version or tables.size() != other.tables.size():
		return false
	for i: int in tables.size():
		if not tables[i].same_shape(other.tables[i]) or tables[i].rights != other.tables[i].rights:
			return false
	return true


## The table of a name, or null.
func table(name: String) -> TableShape:
	for t: TableShape in tables:
		if t.name == name:
			return t
	return null


## Reads a schema. What is wrong with it, [param r] then says.
static func read(r: FramehubCbor) -> FramehubSchema:
	var schema: FramehubSchema = FramehubSchema.new()
	var left: int = r.array("a schema")
	schema.version = r.uint("a schema's version")
	var count: int = r.array("a schema's tables")
	var names: Dictionary[String, bool] = {}
	var numbers: Dictionary[int, bool] = {}
	for i: int in count:
		var t: TableShape = _read_table(r)
		if not r.error.is_empty():
			return schema
		if names.has(t.name) or numbers.has(t.number):
			r.fail("two tables of the schema have one name, or one number")
			return schema
		names[t.name] = true
		numbers[t.number] = true
		schema.tables.append(t)
	FramehubMessage.skip_rest(r, left - 2)
	return schema


static func _read_table(r: FramehubCbor) -> TableShape:
	var t: TableShape = TableShape.new()
	var left: int = r.array("a table")
	t.number = r.uint("a table's number", FramehubBlock.MAX_TABLE)
	t.name = r.text("a table's name")
	t.key_length = r.uint("the length of a key")
	if not r.null_next():
		t.scope = r.uint("a scope column")
	var count: int = r.array("the columns of a table")
	if count > FramehubBlock.MAX_COLUMNS:
		r.fail("table %s has %d columns, %d is the most" % [t.name, count, FramehubBlock.MAX_COLUMNS])
	for i: int in count:
		if not r.error.is_empty():
			return t
		_read_column(r, t)
	t.rights = r.uint("the rights to a table")
	t.kind = r.text("the class of a table")
	if t.key_length < 1 or t.key_length > count or t.scope >= count:
		r.fail("table %s has %d columns, too few for its key or its scope column" % [t.name, count])
	FramehubMessage.skip_rest(r, left - 7)
	return t


static func _read_column(r: FramehubCbor, t: TableShape) -> void:
	var left: int = r.array("a column")
	var column: String = r.text("a column's name")
	if t.columns.has(column):
		r.fail("table %s has two columns of the name %s" % [t.name, column])
	t.columns.append(column)
	t.types.append(r.text("a column's type"))
	left -= 2
	var given: bool = left > 0 and not r.null_next()
	t.flags.append(r.uint("a column's flags") if given else 0)
	FramehubMessage.skip_rest(r, left - 1 if left > 0 else left)

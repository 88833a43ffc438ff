class_name FramehubTx
extends FramehubAnswer
## A transaction: ops that are done whole or refused whole.
##
## [codeblock]
## var tx: FramehubTx = FramehubTx.new()
## tx.put("player", {"id": 7, "x": 1.5, "room": 2})
## tx.add("score", {"player": 7, "points": 10})
## hub.write(tx)
## await tx.wait()
## print(tx.code if tx.code != "" else "in version %d" % tx.version)
## [/codeblock]
## Each call is one op, on one row; those that end in [code]_rows[/code] are on many, given in columns:
## packed arrays, or Arrays, of one length. Rows name their key columns. Values are null, int, float, bool,
## String or PackedByteArray.

## What an op does.
enum Kind { PUT, INSERT, UPDATE, DELETE, ADD, TOUCH, EXPECT }

const _MOST_FORMS: int = 64  # that are kept of a table and a kind


# What is the same in all ops of a kind that name the same columns of a table.
class Form:
	extends RefCounted
	var head: PackedByteArray = []  # the op up to its number of rows
	var names: PackedStringArray = []  # in the order in which they travel
	var reals: PackedByteArray = []  # 1: whole numbers travel as fractions


## Its number, which rises over the life of a device; 0 before it is written.
var seq: int = 0
## The version that it was decided on: it is refused with "conflict" where somebody else has changed since
## what it touches or expects. -1: it does not matter.
var base: int = -1
## Whether it is kept on disk until the hub has told its outcome, and so survives the end of the game. Set
## it to false for what is worthless a moment later.
var durable: bool = true
## Which op was refused, and which of its rows; -1 where that is not told.
var refused_op: int = -1
## The place of the refused row in its op, or -1.
var refused_row: int = -1
## Whether it may have reached the hub, in this session or one before.
var ever_sent: bool = false

var _kinds: PackedInt32Array = []
var _tables: PackedStringArray = []
var _columns: Array[Dictionary] = []  # of each op: arrays by the names of columns


## Sets the named columns of a row, or inserts it where there is none.
func put(table: String, row: Dictionary) -> FramehubTx:
	return _one(Kind.PUT, table, row)


## Inserts a row; refused with "exists" where there is one.
func insert(table: String, row: Dictionary) -> FramehubTx:
	return _one(Kind.INSERT, table, row)


## Sets the named columns of a row; refused with "missing" where there is none.
func update(table: String, row: Dictionary) -> FramehubTx:
	return _one(Kind.UPDATE, table, row)


## Deletes a row, named by its key columns; that there is none is no error.
func delete(table: String, key: Dictionary) -> FramehubTx:
	return _one(Kind.DELETE, table, key)


## Adds numbers to the named columns of a row.
func add(table: String, row: Dictionary) -> FramehubTx:
	return _one(Kind.ADD, table, row)


## Sets the named columns of a row if it exists: what streams use, so that a late pose does not bring back
## what was deleted.
func touch(table: String, row: Dictionary) -> FramehubTx:
	return _one(Kind.TOUCH, table, row)


## Refuses the transaction with "conflict" unless the row has exactly these values. With key columns alone
## it names a row that was read, for [member base].
func expect(table: String, row: Dictionary) -> FramehubTx:
	return _one(Kind.EXPECT, table, row)


## [method put] for many rows, in columns.
func put_rows(table: String, columns_by_name: Dictionary) -> FramehubTx:
	return _many(Kind.PUT, table, columns_by_name)


## [method insert] for many rows, in columns.
func insert_rows(table: String, columns_by_name: Dictionary) -> FramehubTx:
	return _many(Kind.INSERT, table, columns_by_name)


## [method update] for many rows, in columns.
func update_rows(table: String, columns_by_name: Dictionary) -> FramehubTx:
	return _many(Kind.UPDATE, table, columns_by_name)


## [method delete] for many rows, in columns.
func delete_rows(table: String, columns_by_name: Dictionary) -> FramehubTx:
	return _many(Kind.DELETE, table, columns_by_name)


## [method add] for many rows, in columns.
func add_rows(table: String, columns_by_name: Dictionary) -> FramehubTx:
	return _many(Kind.ADD, table, columns_by_name)


## [method touch] for many rows, in columns.
func touch_rows(table: String, columns_by_name: Dictionary) -> FramehubTx:
	return _many(Kind.TOUCH, table, columns_by_name)


## [method expect] for many rows, in columns.
func expect_rows(table: String, columns_by_name: Dictionary) -> FramehubTx:
	return _many(Kind.EXPECT, table, columns_by_name)


## How many ops it has.
func size() -> int:
	return _kinds.size()


func _one(kind: Kind, table: String, row: Dictionary) -> FramehubTx:
	var arrays: Dictionary[String, Variant] = {}
	for column: String in row:
		arrays[column] = [row[column]]
	return _append(kind, table, arrays)


func _many(kind: Kind, table: String, columns_by_name: Dictionary) -> FramehubTx:
	var arrays: Dictionary[String, Variant] = {}
	for column: String in columns_by_name:
		arrays[column] = columns_by_name[column].duplicate()  # the game may go on to change it
	return _append(kind, table, arrays)


func _append(kind: Kind, table: String, arrays: Dictionary[String, Variant]) -> FramehubTx:
	_kinds.append(kind)
	_tables.append(table)
	_columns.append(arrays)
	return self


## The ops in the numbers of a schema, as [FramehubRequest] takes them; empty where it can't be said in this
## schema: then it is refused.
func encode(schema: FramehubSchema) -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	for i: int in size():
		var shape: FramehubSchema.TableShape = schema.table(_tables[i])
		if shape == null:
			return _unsayable(i, "unknown_table", "there is no table %s" % _tables[i])
		var words: String = _write_op(w, i, shape)
		if not words.is_empty():
			return _unsayable(i, "type", words)
		if not code.is_empty():
			return PackedByteArray()
	return w.bytes


# An op is its kind and a block. Returns words where a value can't be written.
func _write_op(w: FramehubCborWriter, i: int, shape: FramehubSchema.TableShape) -> String:
	var arrays: Dictionary = _columns[i]
	var names: Array = arrays.keys()
	var forms: Dictionary = shape.forms.get_or_add(_kinds[i], {})
	var form: Form = forms.get(names)
	if form == null:
		form = _form(i, shape)
		if form == null:
			return ""
		if forms.size() >= _MOST_FORMS:
			forms.clear()
		forms[names] = form
	var n: int = arrays[form.names[0]].size()
	w.raw(form.head)
	w.integer(n)
	for c: int in form.names.size():
		var values: Variant = arrays[form.names[c]]
		if values.size() != n:
			return "columns of %s are of different lengths" % shape.name
		if not FramehubColumn.write(w, values, form.reals[c] == 1):
			return "%s.%s holds what is no value of SQL's" % [shape.name, form.names[c]]
	return ""


# What op i names, in a table's numbers, its key columns first; null, and refused, where that can't be.
func _form(i: int, shape: FramehubSchema.TableShape) -> Form:
	var arrays: Dictionary = _columns[i]
	var form: Form = Form.new()
	var numbers: PackedInt32Array = []
	var named: int = 0
	for c: int in shape.columns.size():
		var name: String = shape.columns[c]
		if not arrays.has(name):
			if c < shape.key_length:
				_unsayable(i, "missing", "a row of %s lacks its key %s" % [shape.name, name])
				return null
			continue
		named += 1
		if _kinds[i] != Kind.DELETE or c < shape.key_length:
			numbers.append(c)
			form.names.append(name)
			form.reals.append(1 if shape.types[c] == "REAL" else 0)
	if named < arrays.size():
		for name: String in arrays:
			if not shape.columns.has(name):
				_unsayable(i, "unknown_column", "table %s has no column %s" % [shape.name, name])
		return null
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(2)
	w.integer(_kinds[i])
	FramehubBlock.write_head(w, shape.number, numbers)
	form.head = w.bytes
	return form


func _unsayable(op: int, with_code: String, words: String) -> PackedByteArray:
	refused_op = op
	code = with_code
	text = words
	return PackedByteArray()


## The transaction by names, as it is kept on disk. False where a value is none of SQL's.
func write_to(w: FramehubCborWriter) -> bool:
	w.array(3)
	w.integer(seq)
	w.value(base if base >= 0 else null)
	w.array(size())
	for i: int in size():
		var arrays: Dictionary = _columns[i]
		w.array(3 + arrays.size())
		w.integer(_kinds[i])
		w.text(_tables[i])
		w.values(arrays.keys())
		for column: String in arrays:
			w.array(2)
			w.integer(arrays[column].size())
			if not FramehubColumn.write(w, arrays[column], false):
				return false
	return true


## Reads what [method write_to] wrote; null where it is damaged.
static func read_from(r: FramehubCbor) -> FramehubTx:
	var tx: FramehubTx = FramehubTx.new()
	if r.array("a transaction") != 3:
		return null
	tx.seq = r.uint("a number")
	tx.base = -1 if r.null_next() else r.uint("a base")
	for i: int in r.array("ops"):
		var left: int = r.array("an op") - 3
		var kind: int = r.uint("a kind of op", Kind.EXPECT)
		var table: String = r.text("a table")
		var names: PackedStringArray = []
		for k: int in r.array("names of columns"):
			names.append(r.text("a column"))
		if left != names.size() or not r.error.is_empty():
			return null
		var arrays: Dictionary[String, Variant] = {}
		for column: String in names:
			r.array("a column")
			var n: int = r.uint("rows")
			arrays[column] = FramehubColumn.read(r, "a column", n)
		tx._append(kind as Kind, table, arrays)
	tx.ever_sent = true
	return tx if r.error.is_empty() else null

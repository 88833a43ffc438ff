class_name FramehubDelta
extends RefCounted
## What one transaction did to one table, as a server is told.

## Who wrote it; 16 zero bytes: the hub itself, or a program with SQL.
var device: PackedByteArray = []
## The transaction's number; 0: a last will, or a statement of SQL.
var seq: int = 0
## The table's name.
var table: String = ""
## The keys of the rows, as [method FramehubTable.row_of] takes them. A row that is not in the copy was
## removed.
var keys: Array = []
## Whether this device wrote it.
var mine: bool = false


## One of what a frame says of its authors; [param own] is this device's id.
static func of(author: FramehubFrame.Author, table_name: String, own: PackedByteArray) -> FramehubDelta:
	var delta: FramehubDelta = FramehubDelta.new()
	delta.device = author.device
	delta.seq = author.seq
	delta.table = table_name
	delta.keys = author.keys
	delta.mine = author.device == own
	return delta

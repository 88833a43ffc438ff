class_name FramehubSub
extends RefCounted
## A subscription: a table, or those of its rows whose scope column has one of some values.

## The table's name.
var table: String = ""
## Whether only [member scopes] are wanted; else the whole table is.
var scoped: bool = false
## Values of the table's scope column: a zone, a room.
var scopes: Array = []
## So many frames a second at most, missed ones merged. 0: every frame.
var hz: float = 0.0
## The version to which the copy of it is complete, or -1 while there is none.
var since: int = -1

var _wanted: Dictionary[Variant, bool] = {}


## A subscription to a whole table.
static func all_of(table_name: String, frames_a_second: float = 0.0) -> FramehubSub:
	var sub: FramehubSub = FramehubSub.new()
	sub.table = table_name
	sub.hz = frames_a_second
	return sub


## A subscription to the rows of a table with one of [param values] in its scope column.
static func scopes_of(table_name: String, values: Array, frames_a_second: float = 0.0) -> FramehubSub:
	var sub: FramehubSub = all_of(table_name, frames_a_second)
	sub.scoped = true
	sub.scopes = values.duplicate()
	for v: Variant in values:
		sub._wanted[FramehubKey.of(v)] = true
	return sub


## Whether [param other] names the same table and scopes, in whatever order.
func same(other: FramehubSub) -> bool:
	if table != other.table or scoped != other.scoped or _wanted.size() != other._wanted.size():
		return false
	return other._wanted.has_all(_wanted.keys())


## Whether it shows rows with this value in the scope column.
func covers(scope: Variant) -> bool:
	return not scoped or _wanted.has(FramehubKey.of(scope))

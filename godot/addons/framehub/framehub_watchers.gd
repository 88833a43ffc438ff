class_name FramehubWatchers
extends RefCounted
## Who wants to hear of single rows: a look-up for each changed row, instead of every node looking at all of
## them.

var _tables: Dictionary[String, Dictionary] = {}  # arrays of callables, by table and key


## Calls [param told] when the row with a key comes, changes or goes.
func add(table: String, key: Variant, told: Callable) -> void:
	var by_key: Dictionary = _tables.get_or_add(table, {})
	var list: Array = by_key.get_or_add(_key(key), [])
	if not list.has(told):
		list.append(told)


## Ends [method add].
func remove(table: String, key: Variant, told: Callable) -> void:
	var by_key: Dictionary = _tables.get(table, {})
	var list: Array = by_key.get(_key(key), [])
	list.erase(told)
	if list.is_empty():
		by_key.erase(_key(key))


func _key(key: Variant) -> Variant:
	return FramehubKey.of_many(key) if key is Array else FramehubKey.of(key)


## Tells those whose rows have changed.
func tell(change: FramehubChange) -> void:
	if _tables.is_empty():
		return
	var by_key: Dictionary = _tables.get(change.table.name, {})
	if by_key.is_empty():
		return
	var keys: Array = change.removed.duplicate()
	for row: int in change.rows:
		keys.append(change.table.key_at(row))
	for key: Variant in keys:
		for told: Callable in (by_key.get(key, []) as Array).duplicate():
			if told.is_valid():
				told.call()

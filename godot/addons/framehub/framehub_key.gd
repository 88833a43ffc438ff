class_name FramehubKey
extends RefCounted
## What a row is looked up by: the value of its key column, or an Array of the values of several.


## A value as a key. What is one number to SQL is one key, whether it came as 2 or as 2.0.
static func of(value: Variant) -> Variant:
	if value is float:
		var v: float = value
		if v == floorf(v) and absf(v) < 9.2e18:
			return int(v)
	elif value is StringName:
		return String(value)
	elif value is bool:
		return 1 if value else 0
	return value


## The values of several key columns as a key.
static func of_many(values: Array) -> Variant:
	if values.size() == 1:
		return of(values[0])
	var key: Array = values.map(of)
	key.make_read_only()
	return key

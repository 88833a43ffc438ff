class_name FramehubRequest
extends RefCounted
## What a device says to the hub, as bytes. [code]docs/protocol.md[/code] of Framehub has the meaning.

## So many values an event has at most.
const MOST_EVENT_VALUES: int = 64
## So many bytes the name of an event has at most.
const MOST_EVENT_NAME: int = 64

const _HELLO_KEYS: PackedStringArray = [
	"token", "device", "epoch", "subs", "zstd", "max_message", "budget", "role", "client"
]


## The hello. Keys are those of the protocol; what is null, empty, 0 or false is left out, but for an empty
## list of [code]subs[/code].
static func hello(values: Dictionary[String, Variant]) -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	var keys: Array[String] = []
	for key: String in _HELLO_KEYS:
		if values.get(key) or (key == "subs" and values.get(key) != null):
			keys.append(key)
	w.array(2)
	w.integer(FramehubMessage.Type.HELLO)
	w.map(keys.size())
	for key: String in keys:
		w.text(key)
		if key == "subs":
			_subs(w, values[key])
		elif key == "zstd":
			w.boolean(values[key])
		else:
			w.value(values[key])
	return w.bytes


## A change of subscriptions.
static func subscribe(id: int, add: Array[FramehubSub], remove: Array[FramehubSub]) -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(4)
	w.integer(FramehubMessage.Type.SUBSCRIBE)
	w.integer(id)
	_subs(w, add)
	_subs(w, remove)
	return w.bytes


static func _subs(w: FramehubCborWriter, subs: Array[FramehubSub]) -> void:
	w.array(subs.size())
	for sub: FramehubSub in subs:
		var last: int = 4 if sub.since >= 0 else (3 if sub.hz > 0.0 else (2 if sub.scoped else 1))
		w.array(last)
		w.value(sub.table)
		if last > 1:
			if sub.scoped:
				w.values(sub.scopes)
			else:
				w.nothing()
		if last > 2:
			w.value(sub.hz if sub.hz > 0.0 else null)
		if last > 3:
			w.integer(sub.since)


## A transaction; [param ops] are already written (see [method FramehubTx.encode]), [param count] of them.
## [param base] is -1 where it does not matter what the sender had seen.
static func write(seq: int, base: int, schema_version: int, count: int, ops: PackedByteArray) -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(5)
	w.integer(FramehubMessage.Type.WRITE)
	w.integer(seq)
	w.value(base if base >= 0 else null)
	w.integer(schema_version)
	w.array(count)
	w.raw(ops)
	return w.bytes


## A last will of [param count] ops; -1 clears it.
static func will(id: int, schema_version: int, count: int, ops: PackedByteArray) -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(4)
	w.integer(FramehubMessage.Type.WILL)
	w.integer(id)
	w.integer(schema_version)
	if count < 0:
		w.nothing()
	else:
		w.array(count)
		w.raw(ops)
	return w.bytes


## The question what time it is; the hub sends [param echo] back.
static func clock(echo: Variant) -> PackedByteArray:
	return _plain([FramehubMessage.Type.CLOCK, echo])


## The end of a frame, with its number.
static func tick(n: int) -> PackedByteArray:
	return _plain([FramehubMessage.Type.TICK, n])


## The end of the session, and why.
static func goodbye(code: int, text: String) -> PackedByteArray:
	return _plain([FramehubMessage.Type.GOODBYE, code, text])


## Asks for a part of a value that is too large for a message.
static func piece(id: int, table: int, key: Variant, column: int, offset: int) -> PackedByteArray:
	return _plain([FramehubMessage.Type.PIECE, id, table, key, column, offset])


## A statement in SQL; empty where a parameter is no value of SQL's.
static func sql(id: int, statement: String, params: Array) -> PackedByteArray:
	return _plain([FramehubMessage.Type.SQL, id, statement, params])


## An event for a device (16 bytes), a role (a String) or [code][table, scope][/code]; empty where it is
## none that the protocol has.
static func event(to: Variant, name: String, value: Variant) -> PackedByteArray:
	var length: int = name.to_utf8_buffer().size()
	if length < 1 or length > MOST_EVENT_NAME or _has_control(name):
		return PackedByteArray()
	if to is PackedByteArray and (to as PackedByteArray).size() != FramehubMessage.DEVICE_SIZE:
		return PackedByteArray()
	if not (to is PackedByteArray or to is String or to is StringName or (to is Array and (to as Array).size() == 2)):
		return PackedByteArray()
	if value is Array and (value as Array).size() > MOST_EVENT_VALUES:
		return PackedByteArray()
	return _plain([FramehubMessage.Type.EVENT, to, name, value])


static func _has_control(text: String) -> bool:
	for i: int in text.length():
		var c: int = text.unicode_at(i)
		if c < 32 or (c >= 127 and c < 160):
			return true
	return false


# An array of values, and of arrays of values.
static func _plain(items: Array) -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(items.size())
	for item: Variant in items:
		if not (w.values(item) if item is Array else w.value(item)):
			return PackedByteArray()
	return w.bytes

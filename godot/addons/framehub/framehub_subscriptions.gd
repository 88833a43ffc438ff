class_name FramehubSubscriptions
extends RefCounted
## What a device has asked to see, and changes of it that are on their way.


## One change of subscriptions.
class Change:
	extends RefCounted
	## The id of its message; 0: it goes with a hello.
	var id: int = 0
	## Whether the last hello named it.
	var merged: bool = false
	var add: Array[FramehubSub] = []
	var remove: Array[FramehubSub] = []
	var answer: FramehubAnswer = FramehubAnswer.new()


## Whether every table that may be read is wanted, also those that come later.
var all: bool = true

var _copy: FramehubCopy = null
var _changes: Array[Change] = []
var _before: Array[FramehubSub] = []  # before changes were merged into them
var _fresh: Variant = null  # what the [3] with id 0 replaces: an Array of subscriptions; null: everything
var _last_id: int = 0
var _send: Callable = Callable()


func _init(copy: FramehubCopy) -> void:
	_copy = copy


## Asks for a change.
func change(add: Array[FramehubSub], remove: Array[FramehubSub]) -> FramehubAnswer:
	var c: Change = Change.new()
	c.add = add
	c.remove = remove
	_changes.append(c)
	if _send.is_valid():
		_say(c)
	return c.answer


func _say(c: Change) -> void:
	_last_id += 1
	c.id = _last_id
	_send.call(FramehubRequest.subscribe(c.id, c.add, c.remove))


## What the next hello names: what has waited for a connection goes with it, and what was lost with the last
## one. Null: every table.
func for_hello() -> Variant:
	if not _changes.any(func(c: Change) -> bool: return c.merged):
		_before = _copy.subs
	for c: Change in _changes:
		if not c.merged:
			_copy.subs = _after(_copy.subs, c)
		c.id = 0
		c.merged = true
	return null if all and _copy.subs.is_empty() else _copy.subs


static func _after(subs: Array[FramehubSub], c: Change) -> Array[FramehubSub]:
	var list: Array[FramehubSub] = subs.duplicate()
	for gone: FramehubSub in c.remove:
		for i: int in list.size():
			if list[i].same(gone):
				list.remove_at(i)
				break
	list.append_array(c.add)
	return list


## Begins a session.
func begin(hello: FramehubHello, send: Callable) -> void:
	if all and _copy.subs.is_empty():
		_copy.subs = _readable(hello.schema)
	_copy.begin(hello.resumed)
	_fresh = _copy.subs.filter(func(s: FramehubSub) -> bool: return s.since < 0)
	_send = send
	for c: Change in _changes:
		if not c.merged:  # asked for since the hello
			_say(c)
	add_new_tables(hello.schema)


## The session is over: changes go with the next hello.
func end() -> void:
	_send = Callable()


## Subscribes to tables that have come since the subscriptions were made.
func add_new_tables(schema: FramehubSchema) -> void:
	if not all:
		return
	var known: Dictionary[String, bool] = {}
	for s: FramehubSub in _copy.subs:
		known[s.table] = true
	for c: Change in _changes:
		for s: FramehubSub in c.add:
			known[s.table] = true
	var add: Array[FramehubSub] = []
	for s: FramehubSub in _readable(schema):
		if not known.has(s.table):
			add.append(s)
	if not add.is_empty():
		change(add, [])


static func _readable(schema: FramehubSchema) -> Array[FramehubSub]:
	var subs: Array[FramehubSub] = []
	for t: FramehubSchema.TableShape in schema.tables:
		if t.by_default():
			subs.append(FramehubSub.all_of(t.name))
	return subs


## A snapshot has ended: puts it in place. Returns the changes that this answers; the copy has what it
## changed.
func place(m: FramehubMessage) -> Array[Change]:
	var done: Array[Change] = _take(m.id)
	var list: Array[FramehubSub] = _copy.subs
	var fresh: Array[FramehubSub] = []
	if m.id == 0:
		fresh.assign(_copy.subs if _fresh == null else _fresh)
		_fresh = null
	elif not done.is_empty():
		fresh = done[0].add
		list = _after(list, done[0])
	for c: Change in done:
		if not c.remove.is_empty():
			all = false
	_copy.place(m.id, m.version, fresh, list)
	return done


## The hub refuses a change, or the subscriptions of the hello. Returns whether to connect again: it refuses
## all of them or none, and may refuse a change alone.
func refuse(m: FramehubMessage) -> bool:
	var done: Array[Change] = _take(m.id)
	for c: Change in done:
		c.answer.refuse(m.refusal.code, m.refusal.text)
	if m.id > 0:
		return false
	_copy.subs = _before if not done.is_empty() else ([] as Array[FramehubSub])
	return not done.is_empty() or all


func _take(id: int) -> Array[Change]:
	var done: Array[Change] = []
	var rest: Array[Change] = []
	for c: Change in _changes:
		if c.id == id and (c.merged or id > 0):
			done.append(c)
		else:
			rest.append(c)
	_changes = rest
	return done


## Whether the copy has all that was asked for.
func complete() -> bool:
	return _changes.is_empty() and _copy.complete_to(0)


## Gives up what is on its way, with words.
func abandon(words: String) -> void:
	var changes: Array[Change] = _changes
	_changes = []
	for c: Change in changes:
		c.answer.refuse("unavailable", words)

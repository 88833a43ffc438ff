class_name FramehubSession
extends RefCounted
## What a [FramehubClient] says and hears from the hub's hello on: each message goes where it belongs, and
## the client emits what it means.

## What is subscribed to.
var subscriptions: FramehubSubscriptions = null
## Values too large for a message.
var pieces: FramehubPieces = null
## Events, the last will, SQL.
var desk: FramehubDesk = null
## Who wants to hear of single rows.
var watchers: FramehubWatchers = FramehubWatchers.new()
## The tables, as the hub has told them; null before.
var schema: FramehubSchema = null
## The history of the database that the copy is of.
var epoch: PackedByteArray = []
## Where the device is kept on disk, or null.
var journal: FramehubJournal = null
## Whether [signal FramehubClient.live] was emitted for what is subscribed to now.
var announced: bool = false
## The transactions behind the frame that was applied last.
var authors: Array[FramehubFrame.Author] = []

var _client: FramehubClient = null


func _init(client: FramehubClient) -> void:
	_client = client
	subscriptions = FramehubSubscriptions.new(client.copy)
	pieces = FramehubPieces.new(client.copy)
	desk = FramehubDesk.new(client.outbox)


## Asks the hub what time it is.
func ask_clock() -> void:
	if _client.is_live():
		_client.link.send(FramehubRequest.clock(Time.get_ticks_usec()))


## Says who this device is and what it wants to see.
func say_hello() -> void:
	var subs: Variant = subscriptions.for_hello()
	var known: bool = _client.copy.subs.any(func(s: FramehubSub) -> bool: return s.since >= 0)
	var said: Dictionary[String, Variant] = {
		"token": _client.token if not _client.token.is_empty() else FramehubSettings.token(),
		"device": _client.device,
		"epoch": epoch if known else PackedByteArray(),
		"subs": subs,
		"zstd": _client.compress,
		"max_message": _client.max_message,
		"budget": _client.bandwidth,
		"role": _client.role,
		"client": "godot %s" % Engine.get_version_info().string,
	}
	_client.link.send(FramehubRequest.hello(said))


## Takes a message of the hub.
func receive(bytes: PackedByteArray) -> void:
	var m: FramehubMessage = FramehubMessage.read(bytes, _client.max_message)
	if not m.error.is_empty():
		_client.link.fail(m.error)
	elif m.type == FramehubMessage.Type.GOODBYE:
		var goodbye: FramehubReply = m
		_client.link.lose(goodbye.code, goodbye.text, goodbye.retry / 1000.0 if goodbye.retry >= 0 else -1.0)
	elif _client.is_live():
		_handle(m)
	elif m.type == FramehubMessage.Type.HELLO:
		_greet(m)
	else:
		_client.link.fail("the hub's first message must be its hello")


## The connection is over.
func end() -> void:
	_client.outbox.end()
	subscriptions.end()
	desk.end()
	pieces.end()
	_client.holder = PackedByteArray()


## Gives up what nobody will answer any more, with words.
func abandon(words: String) -> void:
	_client.outbox.abandon(words, false)
	subscriptions.abandon(words)
	desk.abandon(words)
	_client.outbox.tell()


func _handle(m: FramehubMessage) -> void:
	match m.type:
		FramehubMessage.Type.FRAME:
			_frame(m)
		FramehubMessage.Type.SETTLED:
			_client.outbox.settle(m)
			desk.flush_events()
		FramehubMessage.Type.SNAPSHOT:
			_expect_fit(_client.copy.set_aside(m.id, (m as FramehubFrame).blocks))
		FramehubMessage.Type.SNAPSHOT_END:
			_snapshot_end(m)
		FramehubMessage.Type.HELLO:
			_client.link.fail("the hub says its hello once")
		_:
			_reply(m)


func _reply(m: FramehubReply) -> void:
	match m.type:
		FramehubMessage.Type.SCHEMA:
			_change_schema(m.schema)
		FramehubMessage.Type.CLOCK:
			if m.echo is int:
				_client.clock.answer(m.echo as int, m.time)
		FramehubMessage.Type.TICK:
			_tick(m)
		FramehubMessage.Type.SQL, FramehubMessage.Type.WILL:
			desk.answer(m)
		FramehubMessage.Type.PIECE:
			pieces.answer(m)
		FramehubMessage.Type.EVENT:
			if m.refusal != null:
				_client.event_refused.emit(m.name, m.refusal.code, m.refusal.text)
			else:
				_client.event_received.emit(m.device, m.name, m.value)


func _greet(hello: FramehubHello) -> void:
	var new_epoch: bool = not epoch.is_empty() and epoch != hello.epoch
	var new_schema: bool = schema != null and not schema.same(hello.schema)
	_client.device = hello.device
	epoch = hello.epoch
	schema = hello.schema
	_client.capabilities = hello.capabilities
	_client.frame_hz = hello.frame_hz
	_client.holder = PackedByteArray()
	_client.copy.describe(hello.schema)
	_client.clock.reset()
	_client.link.greeted(int(hello.limits.get("message", 0.0)))
	announced = false
	subscriptions.begin(hello, _client.link.send)
	_client.outbox.begin(hello, new_epoch, _client.link.send)
	if journal != null:
		journal.note(_client.device, epoch, _client.outbox.known)
	desk.begin(hello.schema, _client.link.send)
	pieces.begin(_client.link.send)
	ask_clock()
	_tell_changes()
	if new_schema:
		_client.schema_changed.emit()
	_client.connected.emit()


func _frame(m: FramehubFrame) -> void:
	if not authors.is_empty() and not _client.copy.in_frame():
		authors = []
	if not m.authors.is_empty():
		authors.append_array(m.authors)
	if not _expect_fit(_client.copy.apply(m)) or m.more:
		return
	_tell_changes()
	_client.frame_applied.emit(m.version, m.time)
	pieces.look()


func _snapshot_end(m: FramehubMessage) -> void:
	if m.refusal != null:
		if subscriptions.refuse(m):
			_client.link.lose(0, m.refusal.text)
		elif m.id == 0:
			push_error("FramehubClient sees nothing: the hub refuses what is subscribed to: %s" % m.refusal.text)
		return
	var done: Array[FramehubSubscriptions.Change] = subscriptions.place(m)
	_tell_changes()
	for change: FramehubSubscriptions.Change in done:
		change.answer.finish(m.version)
	pieces.look()
	if not announced and subscriptions.complete():
		announced = true
		_client.live.emit(m.version)


func _tell_changes() -> void:
	for change: FramehubChange in _client.copy.changes:
		if not change.removed.is_empty():
			_client.rows_removed.emit(change.table, change.removed)
		if not change.rows.is_empty():
			_client.rows_changed.emit(change.table, change.rows)
		watchers.tell(change)


# Where the hub's messages don't fit the copy, it is fetched anew; where some are missing, it is resumed.
func _expect_fit(words: String) -> bool:
	if words.is_empty():
		return true
	if not _client.copy.gap:
		_client.copy.forget()
	_client.link.fail(words)
	return false


func _change_schema(described: FramehubSchema) -> void:
	if described.version != schema.version:
		# Begins anew, as the hub knows what of the copy can be kept.
		_client.link.lose(0, "the database's schema has changed")
		return
	schema = described
	_client.copy.describe(described)
	_client.outbox.describe(described)
	subscriptions.add_new_tables(described)
	_tell_changes()
	_client.schema_changed.emit()


func _tick(m: FramehubReply) -> void:
	if m.tells_holder:
		_client.holder = m.device
		_client.holder_changed.emit(_client.holder)
	else:
		_client.tick_answered.emit(m.id, m.version, m.refusal.code if m.refusal != null else "")

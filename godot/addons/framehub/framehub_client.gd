@icon("icons/client.svg")
class_name FramehubClient
extends Node
## A device of a Framehub hub: keeps a local copy of what it subscribes to in step, whatever becomes of the
## connection, and writes transactions, each of which is applied once.
##
## Drop it into a scene, set [member url], and listen:
## [codeblock]
## func _ready() -> void:
##     $Hub.rows_changed.connect(_on_rows_changed)
##
## func _on_rows_changed(table: FramehubTable, rows: PackedInt32Array) -> void:
##     if table.name == "player":
##         for row: int in rows:
##             print(table.key_at(row), " is at ", table.value(row, "x"))
##
## func move(to: float) -> void:
##     $Hub.write(FramehubTx.new().put("player", {"id": 7, "x": to}))
## [/codeblock] All of it runs in the main thread, in [method poll], which looks at messages for [member
## poll_budget] a frame at most.

## Emitted when the hub has answered. The copy may be incomplete yet.
signal connected
## Emitted when the copy has all that is subscribed to, as of a version: after each hello, and each change
## of subscriptions.
signal live(version: int)
## Emitted when rows are new or changed, once for each table of a frame or a snapshot. Places hold until the
## table changes next.
signal rows_changed(table: FramehubTable, rows: PackedInt32Array)
## Emitted when rows went, with their keys.
signal rows_removed(table: FramehubTable, keys: Array)
## Emitted when the copy has a version, after [signal rows_changed] and [signal rows_removed] of all its
## tables. [param time] is when the hub committed it, in microseconds since 1970.
signal frame_applied(version: int, time: int)
## Emitted when a transaction is durable; [param version] includes it.
signal committed(seq: int, version: int)
## Emitted when a transaction was refused: nothing of it was done.
signal refused(seq: int, code: String, text: String)
## Emitted when tables are others, or what this device may do with them.
signal schema_changed
## Emitted when a connection, or a try of one, is over. With [param will_retry] the next one is made by
## itself.
signal disconnected(code: int, reason: String, will_retry: bool)
## Emitted when somebody sent an event: a device's id, a name, and a value or an Array of them.
signal event_received(from: PackedByteArray, event: String, value: Variant)
## Emitted when an event of this device was refused.
signal event_refused(event: String, code: String, text: String)
## Emitted when the frames are closed by another: by a device's ticks, or by the hub's own clock (empty).
signal holder_changed(device: PackedByteArray)
## Emitted when the hub answers a tick: with a version, or with the code of a refusal. See [FramehubServer].
signal tick_answered(n: int, version: int, code: String)

## When [method poll] is called.
enum PollMode {
	IDLE,  ## In [method Node._process].
	PHYSICS,  ## In [method Node._physics_process].
	MANUAL,  ## By the game.
}

## Clients in the tree are in this group.
const GROUP: StringName = &"framehub_client"

const _ENDED: String = "the client has left the hub: start() connects again"

## The hub's address, as ws://127.0.0.1:8080. Empty: that of the project settings.
@export var url: String = ""
## What proves who this is, where the hub asks for it. Don't save one with a scene. Empty: that of the
## environment, which the project settings name.
@export var token: String = ""
## What it wants to be: "device", "server", "editor", "observer". Empty: what the token says.
@export var role: String = ""
## Tables to subscribe to as a whole. Empty: all that may be read, unless [member everything] is off.
@export var tables_wanted: PackedStringArray = []
## Whether an empty [member tables_wanted] means every table.
@export var everything: bool = true
## Whether to connect when it enters the tree.
@export var autoconnect: bool = true
## Whether the device's id, and its transactions without an outcome, are kept in
## [code]user://framehub[/code].
@export var keep_device: bool = true
## Of several players on one machine, whose device it is.
@export var profile: String = "player"
## The largest message that is taken, in bytes. The hub splits what is larger. The socket takes four times
## as much memory.
@export_range(1024, 16777216) var max_message: int = 1 << 20
## Bytes a second that the hub sends at most. 0: no limit.
@export var bandwidth: int = 0
## Whether the hub may compress (zstd).
@export var compress: bool = true
## How long messages are looked at in a frame, in milliseconds. What is left waits for the next one.
@export var poll_budget: float = 4.0
## When [method poll] is called. [FramehubServer] sets it.
@export var poll_mode: PollMode = PollMode.IDLE

## The local copy.
var copy: FramehubCopy = FramehubCopy.new()
## The hub's clock.
var clock: FramehubClock = FramehubClock.new()
## The connection.
var link: FramehubLink = FramehubLink.new()
## Transactions without an outcome.
var outbox: FramehubOutbox = FramehubOutbox.new()
## The device's id, 16 bytes; empty before the hub has given one.
var device: PackedByteArray = []
## What the hub does of the optional parts of the protocol: "sql", "events" and others.
var capabilities: PackedStringArray = []
## Whose ticks close the frames: a device's id; empty: the hub's own clock does.
var holder: PackedByteArray = []
## The hub's frames a second.
var frame_hz: float = 60.0
## How often [member poll_budget] was not enough.
var budget_spent: int = 0

var _session: FramehubSession = FramehubSession.new(self)
var _journal: FramehubJournal = null
var _polling: bool = false
var _ready_to_start: bool = false
var _next_second: int = 0


func _init() -> void:
	link.opened.connect(_session.say_hello)
	link.lost.connect(_on_lost)
	outbox.settled.connect(_on_settled)


func _enter_tree() -> void:
	add_to_group(GROUP)
	if autoconnect and not Engine.is_editor_hint():
		start()


func _exit_tree() -> void:
	stop()
	link.see_off()


func _process(_delta: float) -> void:
	if poll_mode == PollMode.IDLE:
		poll()


func _physics_process(_delta: float) -> void:
	if poll_mode == PollMode.PHYSICS:
		poll()


## Connects, and stays connected until [method stop]. Called while it waits before the next try, it tries at
## once.
func start() -> void:
	if not _ready_to_start:
		_ready_to_start = true
		_session.subscriptions.all = everything and tables_wanted.is_empty()
		copy.subs = []
		for name_wanted: String in tables_wanted:
			copy.subs.append(FramehubSub.all_of(name_wanted))
		if keep_device and _journal == null:
			_open_journal()
	link.max_message = max_message
	link.start(FramehubSettings.address(url))


# One device for each hub, profile and running instance.
func _open_journal() -> void:
	_journal = FramehubJournal.new()
	var file: String = "%s-%s" % [profile.validate_filename(), FramehubSettings.address(url).md5_text().left(8)]
	var failed: Error = _journal.open("user://framehub", file)
	if failed != OK:
		_journal = null
		if not OS.has_feature("web"):
			push_warning("FramehubClient keeps nothing on disk: %s" % error_string(failed))
		return
	device = _journal.device
	_session.epoch = _journal.epoch
	_session.journal = _journal
	outbox.resume(_journal)


## Leaves for good: the hub runs the last will at once. Transactions without an outcome are refused as "unavailable".
## Those that are kept on disk are not: they are sent after the next start, and only who waits for one is told so
## ([method FramehubAnswer.wait]: "unavailable" too).
func stop() -> void:
	var words: String = "the client was stopped"
	link.leave(words)
	outbox.abandon(words, true)
	outbox.tell()
	if _journal != null:
		_journal.close()
		_journal = null
		_session.journal = null
	_ready_to_start = false


## Whether the hub has answered, and the session lasts.
func is_live() -> bool:
	return link.state == FramehubLink.State.LIVE


## Whether the copy has all that is subscribed to: [signal live] was emitted for it, in this connection.
func is_complete() -> bool:
	return is_live() and _session.announced


## The newest version that the copy has.
func version() -> int:
	return copy.version


## A table of the copy; null before the hub has told of it.
func table(table_name: String) -> FramehubTable:
	return copy.tables.get(table_name)


## The schema; null before the hub has told it.
func schema() -> FramehubSchema:
	return _session.schema


## The hub's time in microseconds since 1970; 0 while it is not known.
func hub_time() -> int:
	return Time.get_ticks_usec() + clock.offset if clock.known else 0


## Figures since the client was made: messages and bytes both ways, the copy's version and rows,
## transactions without an outcome, frames that had no time for all messages.
func statistics() -> Dictionary[String, int]:
	var rows: int = 0
	for one: FramehubTable in copy.tables.values():
		rows += one.count
	return {
		"messages_in": link.messages_in,
		"messages_out": link.messages_out,
		"bytes_in": link.bytes_in,
		"bytes_out": link.bytes_out,
		"version": copy.version,
		"rows": rows,
		"unsettled": outbox.size(),
		"backlog": link.backlog(),
		"budget_spent": budget_spent,
	}


## Writes a transaction: it is sent now, or when there is a connection. Its outcome comes by [signal
## committed] or [signal refused], and by [method FramehubAnswer.wait] of the transaction. Returns ERR_BUSY
## where too many have no outcome, ERR_ALREADY_IN_USE where it was written before, ERR_INVALID_DATA where a
## value is none of SQL's.
func write(tx: FramehubTx) -> Error:
	if link.state == FramehubLink.State.ENDED:
		return ERR_UNAVAILABLE
	return outbox.add(tx)


## Writes one op that is worthless a moment later: sets columns of rows that exist, from packed arrays of
## one length. It is not kept on disk. Returns ERR_BUSY, and writes nothing, where the hub is so far behind
## that the last ones are still under way: the next one has it all.
func stream(table_name: String, columns: Dictionary) -> Error:
	if outbox.size() >= 32:
		return ERR_BUSY
	var tx: FramehubTx = FramehubTx.new().touch_rows(table_name, columns)
	tx.durable = false
	return write(tx)


## Changes what is subscribed to. The answer is there when the copy has it. Without a connection that is after the
## next one; when there will be none, it is refused as "unavailable".
func subscribe(add: Array[FramehubSub], remove: Array[FramehubSub] = []) -> FramehubAnswer:
	if link.state == FramehubLink.State.ENDED:
		return FramehubAnswer.refused("unavailable", _ENDED)
	_session.announced = false
	return _session.subscriptions.change(add, remove)


## Sends an event, which nobody keeps, behind what was written before it: to a device (its id), a role (a
## String), or [code][table, scope][/code]. Returns ERR_UNAVAILABLE without a connection,
## ERR_INVALID_PARAMETER where it is no event that the protocol has.
func send_event(to: Variant, event: String, value: Variant = null) -> Error:
	return _session.desk.send_event(FramehubRequest.event(to, event, value))


## Sets what the hub does when this device has gone: a transaction; null: nothing. It replaces the one
## before. Each new connection sets it again; when there will be none, it is refused as "unavailable".
func set_will(tx: FramehubTx) -> FramehubAnswer:
	if link.state == FramehubLink.State.ENDED:
		return FramehubAnswer.refused("unavailable", _ENDED)
	return _session.desk.set_will(tx)


## Runs one statement in SQL, for the roles server, editor and admin. Nobody knows whether it was run where
## the connection is lost before the answer.
func sql(statement: String, params: Array = []) -> FramehubAnswer:
	return _session.desk.sql(statement, params)


## Reads a value that came as [constant FramehubCbor.LARGE], or a TEXT or BLOB of a row that is not subscribed to:
## with [param final] where it never changes, so that one of several pieces can be relied on.
func read_large(table_name: String, key: Variant, column: String, final: bool = false) -> FramehubAnswer:
	return _session.pieces.read(table_name, key, column, final)


## Closes a frame now, for a server. See [FramehubServer].
func tick(n: int) -> void:
	link.send(FramehubRequest.tick(n))


## The transactions behind the frame that was applied last, for a server.
func authors() -> Array[FramehubFrame.Author]:
	return _session.authors


## Calls [param told] with no arguments whenever the row with a key comes, changes or goes: what a node does
## that shows one row. [method unwatch] ends it.
func watch(table_name: String, key: Variant, told: Callable) -> void:
	_session.watchers.add(table_name, key, told)


## Ends [method watch].
func unwatch(table_name: String, key: Variant, told: Callable) -> void:
	_session.watchers.remove(table_name, key, told)


## Takes what has come, for [member poll_budget] at most. It is called as [member poll_mode] says.
func poll() -> void:
	if _polling:
		return
	_polling = true
	var end: int = Time.get_ticks_usec() + int(1000.0 * poll_budget)
	link.poll()
	while true:
		var message: PackedByteArray = link.next()
		if message.is_empty():
			break
		_session.receive(message)
		if Time.get_ticks_usec() > end:
			budget_spent += 1
			break
	outbox.tell()
	if Time.get_ticks_usec() > _next_second:
		_next_second = Time.get_ticks_usec() + 1_000_000
		_session.ask_clock()
	_polling = false


func _on_settled(tx: FramehubTx) -> void:
	if tx.code.is_empty():
		committed.emit(tx.seq, tx.version)
	else:
		refused.emit(tx.seq, tx.code, tx.text)


func _on_lost(code: int, reason: String, retry_in: float) -> void:
	_session.end()
	if retry_in < 0.0:
		_session.abandon(reason)
	disconnected.emit(code, reason, retry_in >= 0.0)

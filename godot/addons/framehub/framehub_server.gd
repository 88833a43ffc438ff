@icon("icons/server.svg")
class_name FramehubServer
extends Node
## Makes the physics frames of a game server the frames of the hub.
##
## With a [member client] of the role "server", each physics frame begins with what the last one made: the
## copy has the version that it became, and [member deltas] says who wrote what in it. Whatever nodes write
## in a physics frame, by [method FramehubClient.write], is closed as one version at its end.
## [codeblock]
## func _on_server_step(_delta: float) -> void:
##     for delta: FramehubDelta in $Server.deltas:
##         if delta.table == "wish" and not delta.mine:
##             grant(delta.device, delta.keys)
## [/codeblock] A physics frame does not wait: where the hub has not answered yet, [signal step] is left
## out, and counted in [member skipped].

## Emitted at the beginning of a physics frame whose predecessor is in the copy: the time to decide.
signal step(delta: float)
## Emitted when a physics frame is durable: [param number] is that of [member number] when it ended.
signal step_committed(number: int, version: int)
## Emitted when another closes the frames: its device, or empty for the hub's own clock. Ticking goes on by
## itself when the clock is free again.
signal clock_lost(to: PackedByteArray)

const _FIRST: int = -1000
const _LAST: int = 1000


## Ends a physics frame, after all other nodes.
class Closer:
	extends Node
	var close: Callable

	func _physics_process(_delta: float) -> void:
		close.call()


## The device, of the role "server". The server polls it.
@export var client: FramehubClient = null

## Who wrote what in the frames that have come since the last [signal step].
var deltas: Array[FramehubDelta] = []
## The number of the physics frame that was closed last.
var number: int = 0
## The version that it became; 0 while that is not known.
var version: int = 0
## How many physics frames began without the answer to the last one.
var skipped: int = 0
## Whether this server closes the hub's frames.
var holds_clock: bool = false

var _answered: int = 0
var _stepping: bool = false


func _init() -> void:
	process_physics_priority = _FIRST
	var closer: Closer = Closer.new()
	closer.close = _close
	closer.process_physics_priority = _LAST
	add_child(closer, false, Node.INTERNAL_MODE_BACK)


func _ready() -> void:
	if client == null:
		push_error("FramehubServer needs a client")
		return
	client.poll_mode = FramehubClient.PollMode.MANUAL
	client.connected.connect(_on_connected)
	client.frame_applied.connect(_on_frame_applied)
	client.tick_answered.connect(_on_tick_answered)
	client.holder_changed.connect(_on_holder_changed)


func _physics_process(delta: float) -> void:
	client.poll()
	_stepping = client.is_live() and _answered == number
	if _stepping:
		step.emit(delta)
		deltas = []
	elif client.is_live():
		skipped += 1


# The end of the physics frame.
func _close() -> void:
	if not _stepping or not client.is_live():
		return
	if client.holder.is_empty() or client.holder == client.device:
		number += 1
		client.tick(number)


func _on_connected() -> void:
	_answered = number  # nobody answers what the last connection asked
	holds_clock = false
	deltas = []


func _on_frame_applied(_version: int, _time: int) -> void:
	for author: FramehubFrame.Author in client.authors():
		var table: FramehubTable = client.copy.numbered(author.table)
		if table != null:
			deltas.append(FramehubDelta.of(author, table.name, client.device))


func _on_tick_answered(n: int, at_version: int, code: String) -> void:
	_answered = n
	holds_clock = code.is_empty()
	if code.is_empty():
		version = at_version
		step_committed.emit(n, at_version)


func _on_holder_changed(device: PackedByteArray) -> void:
	if holds_clock and device != client.device:
		holds_clock = false
		clock_lost.emit(device)

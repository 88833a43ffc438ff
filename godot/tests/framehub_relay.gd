class_name FramehubRelay
extends RefCounted
## A relay of JSON, as one does it without a hub (tests/bench_relay.py), for benchmarks.

var url: String = ""

var _pipe: Dictionary = {}


## A device of it: a socket, and rows as dictionaries.
class Device:
	extends RefCounted
	## How many rows have come.
	var received: int = 0
	var rows: Dictionary[int, Dictionary] = {}
	var _socket: WebSocketPeer = WebSocketPeer.new()
	var _zone: int = 0
	var _joined: bool = false

	func _init(url: String, zone: int) -> void:
		_zone = zone
		_socket.inbound_buffer_size = 1 << 17
		_socket.connect_to_url(url)

	## Whether it is connected, and has said where it is.
	func is_live() -> bool:
		return _joined

	func write(row: Dictionary) -> void:
		_socket.send_text(JSON.stringify(row))

	## Takes what has come. Returns the rows.
	func poll() -> Array:
		var came: Array = []
		_socket.poll()
		if not _joined and _socket.get_ready_state() == WebSocketPeer.STATE_OPEN:
			_joined = true
			write({"zone": _zone})
		while _socket.get_available_packet_count() > 0:
			for row: Dictionary in JSON.parse_string(_socket.get_packet().get_string_from_utf8()):
				(rows.get_or_add(int(row.id as float), {}) as Dictionary).merge(row, true)
				came.append(row)
		received += came.size()
		return came


## Starts one; null where there is no Python with what it needs.
static func begin(bench: FramehubBench) -> FramehubRelay:
	var relay: FramehubRelay = FramehubRelay.new()
	var script: String = ProjectSettings.globalize_path("res://tests/bench_relay.py")
	relay._pipe = OS.execute_with_pipe(OS.get_environment("PYTHON"), [script], false)
	if relay._pipe.is_empty():
		return null
	bench.later(func() -> void: OS.kill(relay._pipe.pid as int))
	var said: Array[String] = [""]
	var listens: Callable = func() -> bool:
		said[0] += (relay._pipe.stdio as FileAccess).get_as_text()
		return said[0].contains("\n")
	await bench.until(listens, "the relay listens")
	relay.url = "ws://127.0.0.1:%d" % said[0].get_slice(" ", 1).to_int()
	return relay

class_name FramehubTestFake
extends Node
## A hub of a test's own, which says what the test wants.

const DEVICE: PackedByteArray = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]

var url: String = ""
## The messages of the present connection, as arrays of what CBOR has; maps are dictionaries.
var heard: Array[Array] = []
var connections: int = 0

var _server: TCPServer = TCPServer.new()
var _socket: WebSocketPeer = null


static func begin(test: FramehubTest) -> FramehubTestFake:
	var fake: FramehubTestFake = FramehubTestFake.new()
	fake._server.listen(0, "127.0.0.1")
	fake.url = "ws://127.0.0.1:%d/v1/sync" % fake._server.get_local_port()
	test.tree.root.add_child(fake)
	test.later(func() -> void: fake.free())
	return fake


func _process(_delta: float) -> void:
	if _server.is_connection_available():
		_socket = WebSocketPeer.new()
		_socket.supported_protocols = ["framehub.v1.cbor"]
		_socket.accept_stream(_server.take_connection())
		connections += 1
		heard = []
	if _socket == null:
		return
	_socket.poll()
	while _socket.get_available_packet_count() > 0:
		heard.append(item(FramehubCbor.new(_socket.get_packet())))


## Cuts the connection.
func cut() -> void:
	_socket.close(-1)
	_socket = null


## Whether it has heard a message of a type.
func has(type: int) -> bool:
	return heard.any(func(m: Array) -> bool: return m[0] == type)


## Messages that it has heard of a type.
func of(type: int) -> Array:
	return heard.filter(func(m: Array) -> bool: return m[0] == type)


func say(message: Variant) -> void:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	write(w, message)
	_socket.send(w.bytes)


func say_bytes(bytes: PackedByteArray) -> void:
	_socket.send(bytes)


## Greets as a hub with one table, t (id INTEGER PRIMARY KEY, x REAL).
func greet(values: Dictionary = {}) -> void:
	var hello: Dictionary = {
		"session": PackedByteArray([1]),
		"device": DEVICE,
		"epoch": PackedByteArray([7]),
		"version": 10,
		"settled": null,
		"rejected": [],
		"resumed": false,
		"schema": [1, [[1, "t", 1, null, [["id", "INTEGER", 1], ["x", "REAL", 0]], 15, "durable"]]],
		"limits": {"message": 1 << 20, "rows": 1000, "unsettled": 4, "rate": 0},
		"capabilities": [],
		"frame_hz": 60,
		"time": 1000000,
	}
	hello.merge(values, true)
	say([0, hello])


## Writes any item.
static func write(w: FramehubCborWriter, v: Variant) -> void:
	if v is Array:
		w.array((v as Array).size())
		for each: Variant in v:
			write(w, each)
	elif v is Dictionary:
		w.map((v as Dictionary).size())
		for key: String in v:
			w.text(key)
			write(w, v[key])
	elif v is bool:
		w.boolean(v as bool)
	elif v is FramehubBlock:
		(v as FramehubBlock).write(w)
	else:
		w.value(v)


## Reads any item that a device sends.
static func item(r: FramehubCbor) -> Variant:
	if r.next_is(FramehubCbor.Major.ARRAY):
		var list: Array = []
		for i: int in r.array("an array"):
			list.append(item(r))
		return list
	if r.next_is(FramehubCbor.Major.MAP):
		var map: Dictionary = {}
		r.head()
		for i: int in r.argument:
			var key: String = r.text("a key")
			map[key] = item(r)
		return map
	if r.next_is(FramehubCbor.Major.TAG):
		return Array(FramehubColumn.read(r, "a column", -1))
	if r.next_is(FramehubCbor.Major.OTHER):
		var begin_at: int = r.at
		r.head()
		if r.argument == 20 or r.argument == 21:
			return r.argument == 21
		r.at = begin_at
	return r.value()

class_name FramehubHello
extends FramehubMessage
## The hub's answer to a device's hello.

const _MOST_CAPABILITIES: int = 256

## The tables.
var schema: FramehubSchema
## The session's id.
var session: PackedByteArray
## The device's own id.
var device: PackedByteArray
## The history of the database: another one after a backup was restored.
var epoch: PackedByteArray
## The last number that has an outcome, or -1.
var settled: int = -1
## Of those that have an outcome, the ones that were refused.
var rejected: Array[Refusal]
## Whether the hub goes on from what the copy has.
var resumed: bool
## What the hub takes: "message" in bytes, "rows" of a transaction, "unsettled" transactions, "rate" a second.
var limits: Dictionary[String, float]
## The optional parts of the protocol that the hub has.
var capabilities: PackedStringArray
## The hub's frames a second.
var frame_hz: float


func _read_body(r: FramehubCbor) -> void:
	_left -= 1
	if r.head() != FramehubCbor.Major.MAP:
		r.fail("a hello must be a map")
		return
	var seen: Dictionary[String, bool] = {}
	for i: int in r.bounded("a hello"):
		var key: String = r.text("a key of the hello")
		if seen.has(key):
			r.fail("the hello has the key %s twice" % key)
		if not r.error.is_empty():
			return
		seen[key] = true
		if not r.null_next():
			_read_value(r, key)
	if schema == null:
		r.fail("hello: the schema is missing")
	if device.size() != DEVICE_SIZE:
		r.fail("hello: a device is a UUID of %d bytes, not %d" % [DEVICE_SIZE, device.size()])
	if epoch.is_empty():
		r.fail("hello: the epoch is missing")


func _read_value(r: FramehubCbor, key: String) -> void:
	match key:
		"session":
			session = r.bytes("a session")
		"device":
			device = r.bytes("a device")
		"epoch":
			epoch = r.bytes("an epoch")
		"version":
			version = r.uint("the hub's version")
		"settled":
			settled = r.uint("the last number that has settled")
		"rejected":
			rejected = _read_refusals(r)
		"resumed":
			resumed = r.boolean("whether the hub resumes")
		"schema":
			schema = FramehubSchema.read(r)
		"limits":
			_read_limits(r)
		"capabilities":
			for i: int in mini(r.array("the hub's capabilities"), _MOST_CAPABILITIES):
				capabilities.append(r.text("a capability"))
		"frame_hz":
			frame_hz = r.number("the hub's frames a second")
		"time":
			time = r.uint("the hub's time")
		_:
			r.skip()


func _read_limits(r: FramehubCbor) -> void:
	if r.head() != FramehubCbor.Major.MAP:
		r.fail("the hub's limits must be a map")
		return
	for i: int in r.bounded("the hub's limits"):
		var key: String = r.text("the name of a limit")
		if not r.error.is_empty():
			return
		if key in ["message", "rows", "unsettled", "rate"]:
			limits[key] = r.number("the limit %s" % key)
		else:
			r.skip()

class_name ExampleThing
extends RigidBody3D
## What can be pushed: a row of the table [code]thing[/code]. The device that touched it last
## ([code]pusher[/code]) lets physics move it, and streams where it is; for everybody else it is frozen, and
## glides along.

const _CLAIM_AGAIN: float = 0.3  # seconds: two who push against each other take turns
const _LIVELY: float = 0.4  # metres a second: slower things do not set others going
const _STRENGTH: float = 1.6  # newton seconds in a physics frame

## What it is: a form that it takes.
var kind: String = "":
	set(value):
		kind = value
		_take_form()
## Metres east, in the city.
var east: float:
	get:
		return ExamplePlace.east(position)
	set(value):
		position.x = _corrected(value - ExamplePlace.MIDDLE.x, position.x)
## Metres north.
var north: float:
	get:
		return ExamplePlace.north(position)
	set(value):
		position.z = _corrected(ExamplePlace.MIDDLE.y - value, position.z)
## Metres above the ground.
var up: float:
	get:
		return snappedf(position.y, ExamplePlace.GRAIN)
	set(value):
		position.y = _corrected(value, position.y)
## How it is turned, in the city's axes.
var turn: Quaternion = Quaternion.IDENTITY

var _claimed: float = -1.0

@onready var row: FramehubRow = $FramehubRow


func _physics_process(_delta: float) -> void:
	var mine: bool = row.is_mine()
	if freeze == mine:
		freeze = not mine
		sleeping = false
	if not mine:
		if turn.length_squared() > 0.0:
			quaternion = _swapped(turn.normalized(), -1.0)
		return
	_note_turn()
	if linear_velocity.length() > _LIVELY:
		for body: Node3D in get_colliding_bodies():
			if body is ExampleThing:
				(body as ExampleThing).claim()


## Somebody of this game runs against it, so fast.
func push(hit: KinematicCollision3D, speed: float) -> void:
	claim()
	var away: Vector3 = -hit.get_normal()
	var lack: float = speed - linear_velocity.dot(away)
	if not freeze and lack > 0.0:
		apply_impulse(away * minf(_STRENGTH, 0.4 * mass * lack), hit.get_position() - global_position)


## Makes it this device's to move, as soon as the hub has it so.
func claim() -> void:
	var now: float = Time.get_ticks_msec() / 1000.0
	if row.is_mine() or now - _claimed < _CLAIM_AGAIN:
		return
	_claimed = now
	var tx: FramehubTx = FramehubTx.new().touch(row.table, {"id": row.key, "pusher": row.client.device})
	tx.durable = false
	row.client.write(tx)


# Physics stays as it is for less than the grain that the hub rounds to.
func _corrected(value: float, here: float) -> float:
	return value if freeze or absf(value - here) > ExamplePlace.GRAIN else here


# Of the two quaternions of one turn, the one next to the last: others glide from it.
func _note_turn() -> void:
	var now: Quaternion = _swapped(quaternion, 1.0)
	if now.dot(turn) < 0.0:
		now = -now
	if now.angle_to(turn.normalized()) > 0.01:
		turn = Quaternion(_grain(now.x), _grain(now.y), _grain(now.z), _grain(now.w))


static func _grain(value: float) -> float:
	return snappedf(value, ExamplePlace.GRAIN)


# From Godot's axes to the city's, or back with -1.
static func _swapped(q: Quaternion, way: float) -> Quaternion:
	return Quaternion(q.x, -way * q.z, way * q.y, q.w)


func _take_form() -> void:
	for form: Node in $Forms.get_children():
		(form as Node3D).visible = form.name.to_lower() == kind
	for shape: String in ["Crate", "Barrel", "Ball", "Giant"]:
		(get_node(shape) as CollisionShape3D).set_deferred("disabled", shape.to_lower() != kind)
	mass = {"barrel": 1.5, "ball": 0.6, "giant": 3.0}.get(kind, 1.0)

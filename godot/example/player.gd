class_name ExamplePlayer
extends CharacterBody3D
## Somebody in the city: a row of the table [code]entity[/code]. Nothing here knows of a network:
## [FramehubRow] binds the properties below to the row's columns, both ways.

const WALK: float = 6.0  # metres a second

## Metres east, in the city.
var east: float:
	get:
		return ExamplePlace.east(position)
	set(value):
		position.x = value - ExamplePlace.MIDDLE.x
## Metres north.
var north: float:
	get:
		return ExamplePlace.north(position)
	set(value):
		position.z = ExamplePlace.MIDDLE.y - value
## Degrees, clockwise from north.
var heading: float = 0.0
## Metres a second.
var speed: float = 0.0
## The part of the city.
var zone: int:
	get:
		return ExamplePlace.zone(position)
	set(_value):
		pass
## Whose it is, as others read it.
var title: String = "":
	set(value):
		title = value
		($Label as Label3D).text = value
		_paint(Color.from_hsv((value.hash() % 360) / 360.0, 0.62, 0.92))

## Of this game's own players, where to: func(player: ExamplePlayer) -> Vector3, no longer than 1.
var control: Callable = Callable()

var _step: float = 0.0

@onready var row: FramehubRow = $FramehubRow
@onready var _model: Node3D = $Model
@onready var _feet: Array[Node3D] = [$Model/LeftFoot, $Model/RightFoot]


## Lets this game move it.
func drive(by: Callable) -> void:
	control = by
	row.authority = FramehubRow.Authority.LOCAL


## It is another row's from now on, or nobody's.
func release() -> void:
	control = Callable()
	row.authority = FramehubRow.Authority.HUB


func _physics_process(delta: float) -> void:
	if not control.is_valid():
		return
	var way: Vector3 = control.call(self)
	velocity = velocity.lerp(WALK * way, 1.0 - exp(-12.0 * delta))
	velocity.y = 0.0
	move_and_slide()
	position.y = 0.0
	speed = snappedf(velocity.length(), 0.25)
	if speed > 0.5:
		heading = fposmod(roundf(rad_to_deg(atan2(velocity.x, -velocity.z))), 360.0)
	for i: int in get_slide_collision_count():
		var hit: KinematicCollision3D = get_slide_collision(i)
		if hit.get_collider() is ExampleThing:
			(hit.get_collider() as ExampleThing).push(hit, WALK * way.length())


func _process(delta: float) -> void:
	_model.rotation.y = lerp_angle(_model.rotation.y, -deg_to_rad(heading), 1.0 - exp(-14.0 * delta))
	_step += speed * delta * 2.2
	var stride: float = minf(1.0, speed / WALK)
	for side: int in 2:
		var phase: float = _step + PI * side
		_feet[side].position.z = sin(phase) * 0.28 * stride
		_feet[side].position.y = 0.1 + maxf(0.0, cos(phase)) * 0.14 * stride
	_model.position.y = absf(sin(_step)) * 0.05 * stride


func _paint(colour: Color) -> void:
	var material: StandardMaterial3D = StandardMaterial3D.new()
	material.albedo_color = colour
	material.roughness = 0.6
	($Model/Body as MeshInstance3D).material_override = material
	($Label as Label3D).modulate = colour.lightened(0.55)

@tool
class_name ExampleBuilding
extends Node3D
## A house of the city: a row of the table [code]building[/code]. Who paints it with SQL, paints it here.

const _SIDE: float = 26.0  # metres
const _FLOOR: float = 3.2

@export var floors: int = 1:
	set(value):
		floors = value
		_build()
## As #rrggbb.
@export var colour: String = "#888888":
	set(value):
		colour = value
		_build()

## What it is: home, shop, work or park.
@export var kind: String = "home"
## The quarter it stands in.
@export var zone: int = 1

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


func _ready() -> void:
	_build()


func _build() -> void:
	if not is_node_ready():
		return
	var height: float = floors * _FLOOR + 1.0
	var house: MeshInstance3D = $House
	house.visible = floors > 0
	house.scale = Vector3(_SIDE, height, _SIDE)
	house.position.y = height / 2.0
	var facade: ShaderMaterial = house.material_override
	facade.set_shader_parameter("colour", Color.html(colour))
	facade.set_shader_parameter("floors", float(floors))
	var roof: MeshInstance3D = $Roof
	roof.visible = floors > 0
	roof.position.y = height + 0.3
	($Park as Node3D).visible = floors == 0

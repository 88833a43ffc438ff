class_name ExampleScenery
extends Node3D
## What stands round the square and is nobody's: hedges that keep what is pushed inside, trees, lamps.

const _TREES: int = 46
const _HEDGE: float = 1.0  # metres high

@export var leaves: Material = null
@export var bark: Material = null
@export var metal: Material = null
@export var light: Material = null


func _ready() -> void:
	var chance: RandomNumberGenerator = RandomNumberGenerator.new()
	chance.seed = 7
	for side: int in 4:
		_hedge(side)
	for i: int in _TREES:
		_tree(chance)
	for x: float in [-1.0, 1.0]:
		for z: float in [-1.0, 1.0]:
			_lamp(Vector3(x, 0, z) * 0.62 * ExamplePlace.HALF)


# A side of the square: a hedge on either side of the road, and a wall that nobody sees across all of it.
func _hedge(side: int) -> void:
	var out: Basis = Basis(Vector3.UP, side * PI / 2.0)
	var far: float = ExamplePlace.HALF + 0.6
	for half: float in [-1.0, 1.0]:
		var box: BoxMesh = BoxMesh.new()
		box.size = Vector3(ExamplePlace.HALF - 6.0, _HEDGE, 1.2)
		_mesh(box, leaves, out * Vector3(half * (6.0 + ExamplePlace.HALF) / 2.0, _HEDGE / 2.0, far)).basis = out
	var wall: CollisionShape3D = CollisionShape3D.new()
	var shape: BoxShape3D = BoxShape3D.new()
	shape.size = Vector3(2.0 * far + 2.0, 20.0, 1.2)
	wall.shape = shape
	wall.transform = Transform3D(out, out * Vector3(0, 10.0, far))
	$Walls.add_child(wall)


func _tree(chance: RandomNumberGenerator) -> void:
	var from: float = ExamplePlace.HALF + 3.0
	var at: Vector3 = Vector3(chance.randf_range(8.0, 40.0), 0, chance.randf_range(from, from + 6.0))
	at.x *= 1.0 if chance.randf() < 0.5 else -1.0
	at = at.rotated(Vector3.UP, chance.randi_range(0, 3) * PI / 2.0)
	var size: float = chance.randf_range(0.8, 1.35)
	var trunk: CylinderMesh = CylinderMesh.new()
	trunk.top_radius = 0.16 * size
	trunk.bottom_radius = 0.26 * size
	trunk.height = 2.4 * size
	_mesh(trunk, bark, at + Vector3.UP * 1.2 * size)
	for i: int in 3:
		var crown: SphereMesh = SphereMesh.new()
		crown.radius = size * (1.35 - 0.3 * i)
		crown.height = 1.9 * crown.radius
		crown.radial_segments = 20
		crown.rings = 10
		var off: Vector3 = Vector3(chance.randf_range(-0.4, 0.4), 0, chance.randf_range(-0.4, 0.4))
		_mesh(crown, leaves, at + off + Vector3.UP * size * (2.8 + 0.85 * i))


func _lamp(at: Vector3) -> void:
	var post: CylinderMesh = CylinderMesh.new()
	post.top_radius = 0.07
	post.bottom_radius = 0.12
	post.height = 4.0
	_mesh(post, metal, at + Vector3.UP * 2.0)
	var globe: SphereMesh = SphereMesh.new()
	globe.radius = 0.32
	globe.height = 0.64
	_mesh(globe, light, at + Vector3.UP * 4.2)
	var wall: CollisionShape3D = CollisionShape3D.new()
	var shape: CylinderShape3D = CylinderShape3D.new()
	shape.radius = 0.2
	shape.height = 4.0
	wall.shape = shape
	wall.position = at + Vector3.UP * 2.0
	$Walls.add_child(wall)


func _mesh(form: Mesh, material: Material, at: Vector3) -> MeshInstance3D:
	var shown: MeshInstance3D = MeshInstance3D.new()
	shown.mesh = form
	shown.material_override = material
	shown.position = at
	add_child(shown)
	return shown

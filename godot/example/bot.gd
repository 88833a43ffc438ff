class_name ExampleBot
extends RefCounted
## What a bot wants: to push something, or to be somewhere else.

var _things: Node = null
var _aim: Node3D = null  # what it runs after; null: it goes to a place
var _place: Vector3 = Vector3.ZERO
var _until: float = 0.0


## One that looks for things among the children of a node.
func _init(things: Node) -> void:
	_things = things


## Where to, as [member ExamplePlayer.control] takes it.
func way(player: ExamplePlayer) -> Vector3:
	var now: float = Time.get_ticks_msec() / 1000.0
	var to: Vector3 = _target() - player.position
	to.y = 0.0
	if now > _until or (to.length() < 0.5 and _aim == null):
		_want(now)
	return to.normalized() if to.length() > 0.4 else Vector3.ZERO


func _target() -> Vector3:
	return _aim.position if is_instance_valid(_aim) and _aim.is_inside_tree() else _place


func _want(now: float) -> void:
	_until = now + randf_range(1.5, 5.0)
	_place = ExamplePlace.any()
	_aim = null
	var there: int = _things.get_child_count()
	if there > 0 and randf() < 0.6:
		_aim = _things.get_child(randi() % there) as Node3D

class_name ExampleCamera
extends Camera3D
## Follows a player; without one it goes round the square. The mouse, held, turns it, and its wheel brings it near.

const _NEAR: float = 4.0
const _FAR: float = 40.0
const _ROUND: float = 0.08  # radians a second

## Whom it follows, or null.
var target: Node3D = null
## Where it looks, in radians round the target.
var yaw: float = 0.0

var _pitch: float = 0.42
var _distance: float = 12.0
var _at: Vector3 = Vector3.ZERO


func _unhandled_input(event: InputEvent) -> void:
	var button: InputEventMouseButton = event as InputEventMouseButton
	var motion: InputEventMouseMotion = event as InputEventMouseMotion
	if button != null and button.pressed and button.button_index == MOUSE_BUTTON_WHEEL_UP:
		_distance = maxf(_NEAR, _distance * 0.9)
	elif button != null and button.pressed and button.button_index == MOUSE_BUTTON_WHEEL_DOWN:
		_distance = minf(_FAR, _distance / 0.9)
	elif motion != null and motion.button_mask & (MOUSE_BUTTON_MASK_LEFT | MOUSE_BUTTON_MASK_RIGHT):
		yaw -= motion.relative.x * 0.006
		_pitch = clampf(_pitch + motion.relative.y * 0.004, 0.08, 1.3)


func _process(delta: float) -> void:
	var followed: bool = is_instance_valid(target) and target.is_inside_tree()
	if not followed:
		yaw += _ROUND * delta
	var wanted: Vector3 = target.position + Vector3.UP * 1.4 if followed else Vector3.UP * 1.5
	_at = _at.lerp(wanted, 1.0 - exp(-8.0 * delta))
	var reach: float = _distance if followed else 34.0
	var arm: Vector3 = Vector3(0, 0, reach).rotated(Vector3.RIGHT, -_pitch).rotated(Vector3.UP, yaw)
	look_at_from_position(_at + arm, _at)

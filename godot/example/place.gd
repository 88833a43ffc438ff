class_name ExamplePlace
extends RefCounted
## Where the city's metres are in Godot's: x east, y north and z up there, from a corner of the city; here x
## east, y up and z south, from the middle of the square.

## The middle of the square, in the city's metres.
const MIDDLE: Vector2 = Vector2(500, 500)
## Half of the square's side.
const HALF: float = 30.0
## What differs by less is the same place. A float of 4 bytes holds multiples of it as they are, so that
## they are short on the wire.
const GRAIN: float = 1.0 / 1024.0


## A place in the city, as x east.
static func east(at: Vector3) -> float:
	return snappedf(MIDDLE.x + at.x, GRAIN)


## A place in the city, as y north.
static func north(at: Vector3) -> float:
	return snappedf(MIDDLE.y - at.z, GRAIN)


## Which part of the city a place is in: devices can subscribe by it.
static func zone(at: Vector3) -> int:
	return 1 + (1 if at.x >= 0.0 else 0) + (2 if at.z <= 0.0 else 0)


## A place on the square by chance.
static func any() -> Vector3:
	return Vector3(randf_range(-HALF, HALF), 0.0, randf_range(-HALF, HALF)) * 0.85

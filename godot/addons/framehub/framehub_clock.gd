class_name FramehubClock
extends RefCounted
## The hub's clock as seen from here.

const _KEPT: int = 8  # samples, of which the one with the shortest way is believed

## The last round trip in seconds; negative while it is not known.
var round_trip: float = -1.0
## What to add to [method Time.get_ticks_usec] to get the hub's time in microseconds since 1970.
var offset: int = 0
## Whether [member offset] is known.
var known: bool = false

var _offsets: PackedInt64Array = []
var _trips: PackedInt64Array = []


## What was learnt of one connection says nothing of the next.
func reset() -> void:
	_offsets.clear()
	_trips.clear()
	round_trip = -1.0
	known = false


## Takes an answer: when it was asked, by [method Time.get_ticks_usec], and the hub's time.
func answer(asked: int, hub_time: int) -> void:
	var trip: int = Time.get_ticks_usec() - asked
	if trip < 0:
		return
	_trips.append(trip)
	_offsets.append(hub_time - asked - trip / 2)
	if _trips.size() > _KEPT:
		_trips.remove_at(0)
		_offsets.remove_at(0)
	var best: int = 0
	for i: int in _trips.size():
		if _trips[i] < _trips[best]:
			best = i
	round_trip = trip / 1e6
	offset = _offsets[best]
	known = true

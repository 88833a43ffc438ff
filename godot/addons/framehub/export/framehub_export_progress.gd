class_name FramehubExportProgress
extends RefCounted
## Says how far an export has come: as lines on the terminal, and in the editor's output.

const _EVERY: int = 1000  # ms

var _began: int = Time.get_ticks_msec()
var _next: int = _EVERY


## Seconds since the beginning.
func seconds() -> float:
	return (Time.get_ticks_msec() - _began) / 1000.0


## Tells how far it is, once a second.
func show(done: int, total: int) -> void:
	if Time.get_ticks_msec() - _began < _next:
		return
	_next += _EVERY
	print("Framehub: the hub has %s of %s" % [String.humanize_size(done), String.humanize_size(total)])


## It has ended.
func end() -> void:
	pass

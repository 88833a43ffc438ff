@icon("icons/overlay.svg")
class_name FramehubOverlay
extends CanvasLayer
## Shows how a client is doing, in a corner: for debugging. Drop [code]framehub_overlay.tscn[/code] into a
## scene.

const _EVERY: float = 0.5  # seconds

## The device. Null: the first of the group [code]framehub_client[/code].
@export var client: FramehubClient = null

var _wait: float = 0.0
var _before: Dictionary[String, int] = {}

@onready var _label: Label = $Panel/Label


func _process(delta: float) -> void:
	_wait -= delta
	if _wait > 0.0:
		return
	_wait = _EVERY
	if client == null:
		client = get_tree().get_first_node_in_group(FramehubClient.GROUP) as FramehubClient
	if client != null:
		_label.text = words()


## What is shown.
func words() -> String:
	var now: Dictionary[String, int] = client.statistics()
	var rate: Dictionary[String, float] = {}
	for counted: String in ["messages_in", "messages_out", "bytes_in", "bytes_out"]:
		rate[counted] = maxf(0.0, (now[counted] - _before.get(counted, now[counted])) / _EVERY)
	_before = now
	var lines: PackedStringArray = [
		"%s  version %d" % ["live" if client.is_live() else "not connected", now["version"]],
		"round trip %.1f ms" % (1000.0 * client.clock.round_trip) if client.clock.known else "round trip unknown",
		"in  %5.0f/s  %6.1f kB/s" % [rate["messages_in"], rate["bytes_in"] / 1000.0],
		"out %5.0f/s  %6.1f kB/s" % [rate["messages_out"], rate["bytes_out"] / 1000.0],
		"%d rows, %d writes without an outcome" % [now["rows"], now["unsettled"]],
	]
	if now["budget_spent"] > 0:
		lines.append("%d frames had no time for all messages" % now["budget_spent"])
	return "\n".join(lines)

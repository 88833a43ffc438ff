extends RefCounted
## From writing to seeing it in another Godot: durable, and applied to the copy there. The plain way: JSON on a
## relay that keeps nothing.

const _FRAME: float = 1000.0 / 60.0  # ms
const _SAMPLES: int = 600

var _bench: FramehubBench = null


func run(bench: FramehubBench) -> void:
	_bench = bench
	var ours: PackedFloat64Array = await _on_a_hub()
	await bench.clean_up()
	var plain: PackedFloat64Array = await _on_a_relay()
	_tell("on a hub, durable", ours)
	_tell("JSON on a relay, kept nowhere", plain)
	bench.wanted("write to seen elsewhere, p99", FramehubBench.percentile(ours, 0.99) / _FRAME, "frames", "<=", 3.0)


func _tell(what: String, times: PackedFloat64Array) -> void:
	var figures: Array = [what]
	for part: float in [0.5, 0.99, 1.0]:
		figures.append(FramehubBench.percentile(times, part))
	figures.append(times.size())
	print("write to seen in another process %s: p50 %.1f ms, p99 %.1f ms, most %.1f ms, of %d" % figures)


func _on_a_hub() -> PackedFloat64Array:
	var hub: FramehubTestHub = await FramehubTestHub.begin(_bench)
	var client: FramehubClient = hub.client(_bench)
	await _bench.until(func() -> bool: return client.is_complete(), "the writer is live")
	return await _measure(
		["hub", hub.url],
		func(now: float) -> void:
			var tx: FramehubTx = FramehubTx.new().put("entity", {"id": 1, "x": now})
			tx.durable = false
			client.write(tx)
	)


func _on_a_relay() -> PackedFloat64Array:
	var relay: FramehubRelay = await FramehubRelay.begin(_bench)
	if relay == null:
		return PackedFloat64Array()
	var device: FramehubRelay.Device = FramehubRelay.Device.new(relay.url, 1)
	_bench.tree.process_frame.connect(device.poll)
	_bench.later(func() -> void: _bench.tree.process_frame.disconnect(device.poll))
	await _bench.until(func() -> bool: return device.is_live(), "the writer is live")
	return await _measure(["relay", relay.url], func(now: float) -> void: device.write({"id": 1, "x": now}))


# What the other process saw, in ms. It tells one number a line.
func _measure(arguments: PackedStringArray, write: Callable) -> PackedFloat64Array:
	var folder: String = ProjectSettings.globalize_path("res://")
	var other: FramehubTestProcess = FramehubTestProcess.run(_bench, folder, "tests/bench_watcher.gd", arguments)
	await _bench.until(func() -> bool: return not other.lines("live").is_empty(), "the other process is live")
	for i: int in _SAMPLES:
		for frame: int in 1 + i % 3:
			await _bench.tree.process_frame
		write.call(Time.get_unix_time_from_system())
	write.call(0.0)
	await _bench.until(func() -> bool: return other.said().contains("end"), "the other process has seen the last one")
	var times: PackedFloat64Array = []
	for line: String in other.lines("seen"):
		times.append(line.to_float())
	_bench.check(times.size() > _SAMPLES * 0.9, "only %d of %d were seen apart" % [times.size(), _SAMPLES])
	return times

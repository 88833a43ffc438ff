extends RefCounted
## A hundred bots in one process: each writes its row 20 times a second, and sees a zone of ten. The plain way: JSON,
## dictionaries, a relay that keeps nothing. Before both, what a game holds that does nothing at all.

const _BOTS: int = 100
const _ZONE: int = 10
const _EVERY: int = 3  # frames: 20 times a second
const _SECONDS: float = 15.0

var _bench: FramehubBench = null
var _received: int = 0
var _devices: Array[FramehubRelay.Device] = []


func run(bench: FramehubBench) -> void:
	_bench = bench
	var idle: Dictionary[String, float] = await _measure(
		"that do nothing", func(_i: int, _x: float) -> bool: return true
	)
	var ours: Dictionary[String, float] = await _on_a_hub()
	await bench.clean_up()
	var plain: Dictionary[String, float] = await _on_a_relay()
	var rate: float = 60.0 / _EVERY * _BOTS * _ZONE
	bench.wanted("frames a second with 100 bots", ours.hz, "/s", ">=", 60.0)
	bench.wanted("of those of a game that does nothing", 100.0 * ours.hz / idle.hz, "%", ">=", 100.0)
	print(
		"rows received, of those written (the rest were merged into later ones): %.0f %%" % (100.0 * ours.rows / rate)
	)
	print("processor time a frame, of that of JSON: %.1f x" % (ours.cpu / plain.cpu))


func _on_a_hub() -> Dictionary[String, float]:
	var hub: FramehubTestHub = await FramehubTestHub.begin(_bench)
	var writer: FramehubClient = hub.client(_bench)
	var tx: FramehubTx = FramehubTx.new()
	for i: int in _BOTS:
		tx.put("entity", {"id": i, "zone": i / _ZONE, "x": 0.0, "y": 0.0, "heading": 0.0, "speed": 0.0})
	writer.write(tx)
	await tx.wait()
	writer.stop()
	var bots: Array[FramehubClient] = []
	for i: int in _BOTS:
		bots.append(_bot(hub, i))
	await _bench.until(
		func() -> bool: return bots.all(func(b: FramehubClient) -> bool: return b.is_complete()), "all are live"
	)
	var write: Callable = func(i: int, x: float) -> bool:
		return bots[i].stream("entity", {"id": [i], "x": [x], "y": [x], "heading": [x], "speed": [x]}) == OK
	return await _measure("on a hub", write)


func _bot(hub: FramehubTestHub, i: int) -> FramehubClient:
	var bot: FramehubClient = hub.client(
		_bench,
		func(c: FramehubClient) -> void:
			c.everything = false
			c.max_message = 1 << 16
			c.subscribe([FramehubSub.scopes_of("entity", [i / _ZONE])])
	)
	bot.rows_changed.connect(func(_table: FramehubTable, rows: PackedInt32Array) -> void: _received += rows.size())
	return bot


func _on_a_relay() -> Dictionary[String, float]:
	var relay: FramehubRelay = await FramehubRelay.begin(_bench)
	if relay == null:
		_bench.fail("there is no PYTHON for the relay")
		return {"hz": 0.0, "rows": 0.0, "cpu": INF}
	for i: int in _BOTS:
		_devices.append(FramehubRelay.Device.new(relay.url, i / _ZONE))
	_bench.tree.process_frame.connect(_poll)
	_bench.later(func() -> void: _bench.tree.process_frame.disconnect(_poll))
	await _bench.until(
		func() -> bool: return _devices.all(func(d: FramehubRelay.Device) -> bool: return d.is_live()), "all are live"
	)
	var write: Callable = func(i: int, x: float) -> bool:
		_devices[i].write({"id": i, "x": x, "y": x, "heading": x, "speed": x})
		return true
	return await _measure("JSON on a relay", write)


func _poll() -> void:
	for device: FramehubRelay.Device in _devices:
		_received += device.poll().size()


# Lets all bots write for a while. What is measured is a second and more after the beginning.
func _measure(what: String, write: Callable) -> Dictionary[String, float]:
	await _let_write(write, 2.0)
	_received = 0
	var cpu: float = FramehubBench.cpu()
	var began: int = Time.get_ticks_usec()
	var spans: PackedFloat64Array = await _let_write(write, _SECONDS)
	var seconds: float = (Time.get_ticks_usec() - began) / 1e6
	var got: Dictionary[String, float] = {
		"hz": spans.size() / seconds,
		"rows": _received / seconds,
		"cpu": (FramehubBench.cpu() - cpu) / spans.size(),
	}
	var p99: float = FramehubBench.percentile(spans, 0.99)  # sorts them
	var lost: int = spans.size() - spans.bsearch(2000.0 / 60.0)
	print(
		(
			(
				"%d bots %s: %.2f frames/s (p99 %.1f ms, longest %.1f ms, %d of two frames or more), "
				% [_BOTS, what, got.hz, p99, spans[-1], lost]
			)
			+ "%.0f rows/s, %.2f ms of processor time a frame" % [got.rows, got.cpu]
		)
	)
	return got


func _let_write(write: Callable, seconds: float) -> PackedFloat64Array:
	var spans: PackedFloat64Array = []
	var last: int = Time.get_ticks_usec()
	var end: int = last + int(1e6 * seconds)
	while last < end:
		await _bench.tree.process_frame
		for i: int in range(spans.size() % _EVERY, _BOTS, _EVERY):
			write.call(i, sin(0.01 * spans.size() + i))
		var now: int = Time.get_ticks_usec()
		spans.append((now - last) / 1000.0)
		last = now
	return spans

extends SceneTree
## Runs the benchmarks [code]tests/bench_*.gd[/code] that [code]scripts/bench-godot[/code] names, one after the
## other, and sums them up.


func _initialize() -> void:
	Engine.max_fps = 60
	process_frame.connect(_run, CONNECT_ONE_SHOT)


func _run() -> void:
	var bench: FramehubBench = FramehubBench.new()
	bench.tree = self
	for name: String in OS.get_cmdline_user_args():
		print("\n", name)
		var script: GDScript = load("res://tests/bench_%s.gd" % name)
		await script.new().run(bench)
		await bench.clean_up()
	print("\nwanted")
	for line: String in bench.summary:
		print("  ", line)
	for line: String in bench.failures:
		print("  FAILED ", line)
	quit(0 if bench.failures.is_empty() else 1)

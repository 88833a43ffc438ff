extends SceneTree
## Measures an export of 200 MiB in 400 files, beside [code]cp[/code] of the same pack, and the memory that it
## takes: [code]scripts/bench-export[/code].

const _FILES: int = 400
const _SIZE: int = 512 << 10
const _ROUNDS: int = 3

var _test: FramehubTest = FramehubTest.new()
var _folder: String = OS.get_user_data_dir().path_join("bench")


func _initialize() -> void:
	process_frame.connect(_run, CONNECT_ONE_SHOT)


func _run() -> void:
	_test.tree = self
	DirAccess.make_dir_recursive_absolute(_folder)
	for round_number: int in _ROUNDS:
		await _measure(round_number)
	for words: String in _test.failures:
		print(words)
	await _test.clean_up()
	quit(0 if _test.failures.is_empty() else 1)


func _measure(round_number: int) -> void:
	var pack: String = _make_pack(round_number)
	var hub: FramehubTestHub = await FramehubTestHub.begin(
		_test, ["--backup-every", "0"], FramehubTestExport.schema(), FramehubTestExport.rules()
	)
	var copied: float = _time_of("cp", [pack, pack + ".copy"])
	var synced: float = _time_of("sh", ["-c", "cp '%s' '%s' && sync '%s'" % [pack, pack + ".again", pack + ".again"]])
	var first: float = _export(hub, pack)
	var again: float = _export(hub, pack)
	print(
		(
			"round %d: cp %.2f s, cp and sync %.2f s, export %.2f s (%.0f MiB/s, %.2f of cp, %.2f of cp and sync)"
			% [round_number, copied, synced, first, 200.0 / first, copied / first, synced / first]
		)
	)
	print("         once more %.2f s" % again)
	hub.kill()
	for path: String in [pack, pack + ".copy", pack + ".again"]:
		DirAccess.remove_absolute(path)


func _export(hub: FramehubTestHub, pack: String) -> float:
	ProjectSettings.set_setting(FramehubSettings.EXPORT_URL, hub.url)
	_write("/proc/self/clear_refs", "5")  # begins the peak anew
	var before: int = _status("VmRSS")
	var hub_before: int = _status("VmHWM", hub.pid())
	var own_time: float = _processor(OS.get_process_id())
	var hub_time: float = _processor(hub.pid())
	var began: int = Time.get_ticks_usec()
	var exporter: FramehubExporter = FramehubExporter.new()
	exporter.preset = "bench"
	var words: String = exporter.run(pack)
	var took: float = (Time.get_ticks_usec() - began) / 1e6
	_test.check(words.is_empty(), words)
	print(
		(
			"         %s sent; Godot %d MiB more, %.2f s of processors; the hub %d MiB more, %.2f s"
			% [
				String.humanize_size(exporter.bytes_sent),
				(_status("VmHWM") - before) >> 10,
				_processor(OS.get_process_id()) - own_time,
				(_status("VmHWM", hub.pid()) - hub_before) >> 10,
				_processor(hub.pid()) - hub_time,
			]
		)
	)
	return took


func _make_pack(round_number: int) -> String:
	var packer: PCKPacker = PCKPacker.new()
	var path: String = _folder.path_join("%d.pck" % round_number)
	packer.pck_start(path)
	var crypto: Crypto = Crypto.new()
	for i: int in _FILES:
		var file: String = _folder.path_join("%d.bin" % i)
		FileAccess.open(file, FileAccess.WRITE).store_buffer(crypto.generate_random_bytes(_SIZE))
		packer.add_file("res://%d.bin" % i, file)
	packer.flush()
	OS.execute("sync", [path])
	return path


func _time_of(program: String, arguments: PackedStringArray) -> float:
	var began: int = Time.get_ticks_usec()
	_test.equal(OS.execute(program, arguments), 0, program)
	return (Time.get_ticks_usec() - began) / 1e6


# A figure of a process's memory, in KiB.
func _status(figure: String, pid: int = OS.get_process_id()) -> int:
	var out: Array = []
	OS.execute("grep", ["^%s:" % figure, "/proc/%d/status" % pid], out)
	return str(out[0]).to_int()


# What a process has had of processors, in seconds.
func _processor(pid: int) -> float:
	var out: Array = []
	OS.execute("cat", ["/proc/%d/stat" % pid], out)
	var fields: PackedStringArray = str(out[0]).get_slice(")", 1).split(" ", false)
	return (fields[11].to_int() + fields[12].to_int()) / 100.0


func _write(path: String, text: String) -> void:
	var file: FileAccess = FileAccess.open(path, FileAccess.WRITE)
	if file != null:
		file.store_string(text)

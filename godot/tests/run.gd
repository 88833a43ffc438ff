extends SceneTree
## Runs every method [code]test_*[/code] of every [code]tests/test_*.gd[/code]; with arguments behind
## [code]--[/code] only those whose name holds one of them. Exits 0 where all passed.
##
## A test fails by [method FramehubTest.fail], by any script error, by push_error, and by what the engine prints as an
## error; one that does not return in time ends the run.

const _TEST_TIME: float = 120.0  # seconds

var _errors: ErrorLog = ErrorLog.new()
var _passed: int = 0
var _failed: PackedStringArray = []
var _running: String = ""
var _began: int = 0


## Notes what the engine and scripts complain of.
class ErrorLog:
	extends Logger
	var lines: PackedStringArray = []
	var _mutex: Mutex = Mutex.new()

	func _log_error(
		function: String,
		file: String,
		line: int,
		code: String,
		rationale: String,
		_editor_notify: bool,
		error_type: int,
		_backtraces: Array[ScriptBacktrace]
	) -> void:
		if error_type == ERROR_TYPE_WARNING:
			return
		_mutex.lock()
		lines.append("%s:%d %s: %s" % [file, line, function, rationale if rationale else code])
		_mutex.unlock()

	func _log_message(message: String, error: bool) -> void:
		if error:
			_mutex.lock()
			lines.append(message.strip_edges())
			_mutex.unlock()

	## What has come since the last call.
	func take() -> PackedStringArray:
		_mutex.lock()
		var taken: PackedStringArray = lines
		lines = PackedStringArray()
		_mutex.unlock()
		return taken


func _initialize() -> void:
	Engine.max_fps = 60
	OS.add_logger(_errors)
	process_frame.connect(_run, CONNECT_ONE_SHOT)


func _process(_delta: float) -> bool:
	if _running != "" and Time.get_ticks_msec() - _began > 1000 * _TEST_TIME:
		print("%s did not return within %d s" % [_running, _TEST_TIME])
		quit(1)
	return false


func _run() -> void:
	for file: String in DirAccess.get_files_at("res://tests"):
		if file.begins_with("test_") and file.ends_with(".gd"):
			await _run_file(file)
	print("%d passed, %d failed" % [_passed, _failed.size()])
	for name: String in _failed:
		print("  FAILED ", name)
	quit(0 if _failed.is_empty() and _passed > 0 else 1)


func _run_file(file: String) -> void:
	var script: GDScript = load("res://tests/" + file)
	for line: String in _errors.take():
		_failed.append("%s can't be loaded: %s" % [file, line])
	if script == null or not script.can_instantiate():
		_failed.append("%s can't be loaded" % file)
		return
	for method: Dictionary in script.get_script_method_list():
		var method_name: String = method.name
		if method_name.begins_with("test_") and _wanted("%s %s" % [file, method_name]):
			await _run_test(script, file.get_basename(), method_name)


func _wanted(name: String) -> bool:
	var words: PackedStringArray = OS.get_cmdline_user_args()
	for word: String in words:
		if name.contains(word):
			return true
	return words.is_empty()


func _run_test(script: GDScript, file: String, method: String) -> void:
	var test: FramehubTest = script.new()
	test.tree = self
	test.errors = func() -> PackedStringArray: return _errors.lines
	_running = "%s.%s" % [file, method]
	_began = Time.get_ticks_msec()
	_errors.take()
	await test.call(method)
	await process_frame  # what is cleaned up may be calling
	await test.clean_up()
	var complaints: PackedStringArray = test.failures
	for line: String in _errors.take():
		if not test.expects_error(line):
			complaints.append(line)
	var ok: bool = complaints.is_empty()
	print("%s %s (%d ms)" % ["ok  " if ok else "FAIL", _running, Time.get_ticks_msec() - _began])
	for line: String in complaints:
		print("     ", line)
	if ok:
		_passed += 1
	else:
		_failed.append(_running)
	_running = ""

class_name FramehubTest
extends RefCounted
## What every test can do.

var tree: SceneTree = null
var failures: PackedStringArray = []
## What the engine and scripts have complained of: func() -> PackedStringArray.
var errors: Callable = Callable()

var _expected_errors: PackedStringArray = []
var _clean_ups: Array[Callable] = []


## Notes that something is not as it should be.
func fail(words: String) -> void:
	if failures.size() < 20:
		failures.append(words)


func check(holds: bool, words: String) -> void:
	if not holds:
		fail(words)


## Compares values of any type, with types.
func equal(got: Variant, want: Variant, what: String) -> void:
	if typeof(got) != typeof(want) or got != want:
		fail("%s: %s, wanted %s" % [what, _shown(got), _shown(want)])


func _shown(v: Variant) -> String:
	return "%s (%s)" % [var_to_str(v).left(300), type_string(typeof(v))]


## A complaint of the engine that belongs to the test: it holds these words.
func expect_error(words: String) -> void:
	_expected_errors.append(words)


func expects_error(line: String) -> bool:
	for words: String in _expected_errors:
		if line.contains(words):
			return true
	return false


## Calls something, last first, when the test is over.
func later(f: Callable) -> void:
	_clean_ups.append(f)


func clean_up() -> void:
	while not _clean_ups.is_empty():
		await _clean_ups.pop_back().call()


## Waits until something holds, some seconds at most. Says whether it does.
func until(holds: Callable, what: String, seconds: float = 20.0) -> bool:
	var end: int = Time.get_ticks_usec() + int(1e6 * seconds)
	while not holds.call():
		if Time.get_ticks_usec() > end:
			fail("after %d s still not: %s" % [seconds, what])
			return false
		await tree.process_frame
	return true


## The processor time of the main thread so far, in milliseconds; 0 where the system does not tell.
static func cpu() -> float:
	var file: FileAccess = FileAccess.open("/proc/self/schedstat", FileAccess.READ)
	return file.get_line().get_slice(" ", 0).to_float() / 1e6 if file != null else 0.0


## The project's folder.
static func project() -> String:
	return ProjectSettings.globalize_path("res://").path_join("..").simplify_path()


## A golden file of the protocol. Where it has U+0000, which no String can hold, stands what the addon reads there.
static func vectors(name: String) -> Array:
	var path: String = project().path_join("session/wire/testdata").path_join(name)
	return JSON.parse_string(FileAccess.get_file_as_string(path).replace("\\u0000", "\\ufffd"))

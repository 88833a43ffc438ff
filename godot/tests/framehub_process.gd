class_name FramehubTestProcess
extends RefCounted
## A second Godot.

var _pipe: Dictionary = {}
var _said: String = ""


## One that runs [code]tests/player.gd[/code].
static func begin(test: FramehubTest, arguments: PackedStringArray) -> FramehubTestProcess:
	return run(test, ProjectSettings.globalize_path("res://"), "tests/player.gd", arguments)


## One that runs a script of a project.
static func run(test: FramehubTest, path: String, script: String, arguments: PackedStringArray) -> FramehubTestProcess:
	var process: FramehubTestProcess = FramehubTestProcess.new()
	var command: PackedStringArray = ["--headless", "--path", path, "--script", script, "--"]
	command.append_array(arguments)
	process._pipe = OS.execute_with_pipe(OS.get_environment("GODOT"), command, false)
	test.check(not process._pipe.is_empty(), "a second Godot does not start: is GODOT set?")
	test.later(func() -> void: process.kill())
	return process


## All that it has said.
func said() -> String:
	if not _pipe.is_empty():
		_said += (_pipe.stdio as FileAccess).get_as_text()
	return _said


## The lines that begin with a word, without it.
func lines(word: String) -> PackedStringArray:
	var found: PackedStringArray = []
	for line: String in said().split("\n").slice(0, -1):
		if line.begins_with(word + " ") or line == word:
			found.append(line.trim_prefix(word).strip_edges())
	return found


## As kill -9.
func kill() -> void:
	if not _pipe.is_empty():
		said()
		OS.kill(_pipe.pid as int)
		_pipe = {}

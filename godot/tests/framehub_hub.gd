class_name FramehubTestHub
extends RefCounted
## A hub of a test: bin/framehub with the example city, or a schema of the test's own, and a temporary
## database.

var url: String = ""
var folder: String = ""

var _pid: int = -1
var _pipe: Dictionary = {}
var _port: int = 0
var _arguments: PackedStringArray = []


## Starts a hub. Without files of its own it has the example city.
static func begin(
	test: FramehubTest, flags: PackedStringArray = [], schema: String = "", config: String = ""
) -> FramehubTestHub:
	var hub: FramehubTestHub = FramehubTestHub.new()
	hub.folder = OS.get_user_data_dir().path_join("hub-%d-%d" % [OS.get_process_id(), Time.get_ticks_usec()])
	DirAccess.make_dir_recursive_absolute(hub.folder)
	var city: String = FramehubTest.project().path_join("examples/city")
	hub._arguments = ["serve", "--db", hub.folder.path_join("world.db")]
	hub._arguments.append_array(["--schema", hub._file("schema.sql", schema, city)])
	hub._arguments.append_array(["--config", hub._file("framehub.toml", config, city)])
	hub._arguments.append_array(["--admin-listen", "127.0.0.1:0"])
	hub._arguments.append_array(flags)
	test.later(func() -> void: hub.kill())
	if not await hub.start(test):
		test.fail("the hub does not start: %s" % hub.log())
	return hub


func _file(name: String, content: String, otherwise: String) -> String:
	if content.is_empty():
		return otherwise.path_join(name)
	var path: String = folder.path_join(name)
	FileAccess.open(path, FileAccess.WRITE).store_string(content)
	return path


## Starts it, on the same port as before, and does not wait until it listens.
func launch() -> void:
	var program: String = OS.get_environment("FRAMEHUB")
	var arguments: PackedStringArray = _arguments.duplicate()
	arguments.append_array(["--listen", "127.0.0.1:%d" % _port])
	_pipe = OS.execute_with_pipe(program, arguments, false)
	_pid = _pipe.get("pid", -1)


## Starts it, on the same port as before.
func start(test: FramehubTest) -> bool:
	launch()
	if _pipe.is_empty():
		return false
	var said: String = ""
	for i: int in 600:
		said += (_pipe.stdio as FileAccess).get_as_text()
		var at: int = said.find("devices ")
		if at >= 0 and said.find("\n", at) > 0:
			for word: String in said.substr(at).split("\n")[0].split(" ", false):
				if word.begins_with("ws://"):
					url = word
			_port = url.get_slice(":", 2).get_slice("/", 0).to_int()
			return true
		await test.tree.process_frame
	return false


## Its process.
func pid() -> int:
	return _pid


## As kill -9.
func kill() -> void:
	if _pid > 0:
		OS.kill(_pid)
	_pid = -1


func log() -> String:
	return (_pipe.stderr as FileAccess).get_as_text() if not _pipe.is_empty() else ""


## A client of it, in the tree, that the test takes away again.
func client(test: FramehubTest, setup: Callable = Callable()) -> FramehubClient:
	var made: FramehubClient = FramehubClient.new()
	made.url = url
	made.keep_device = false
	if setup.is_valid():
		setup.call(made)
	test.tree.root.add_child(made)
	test.later(func() -> void: made.free())
	return made

class_name FramehubTestExport
extends RefCounted
## What the tests of exports share.


## The tables of exports, and two of a game.
static func schema() -> String:
	var own: String = "CREATE TABLE crate (id INTEGER PRIMARY KEY, x REAL, y REAL, kind TEXT) STRICT;\n"
	own += "CREATE TABLE quest (id INTEGER PRIMARY KEY, title TEXT) STRICT;\n"
	return own + FileAccess.get_file_as_string("res://addons/framehub/export/assets.sql")


## The rules for them.
static func rules() -> String:
	var own: String = ""
	for table: String in ["crate", "quest"]:
		own += '[tables.%s]\ninsert = ["editor"]\nupdate = ["editor"]\ndelete = ["editor"]\n' % table
	return own + FileAccess.get_file_as_string("res://addons/framehub/export/assets.toml")


## Makes a pack with contents by path. Returns where it is.
static func pack(test: FramehubTest, hub: FramehubTestHub, contents: Dictionary[String, PackedByteArray]) -> String:
	var folder: String = hub.folder.path_join("pack")
	DirAccess.make_dir_recursive_absolute(folder)
	var path: String = folder.path_join("%d.pck" % Time.get_ticks_usec())
	var packer: PCKPacker = PCKPacker.new()
	packer.pck_start(path)
	for name: String in contents:
		var file: String = folder.path_join(name.md5_text())
		FileAccess.open(file, FileAccess.WRITE).store_buffer(contents[name])
		packer.add_file(name, file)
	test.equal(packer.flush(), OK, "the pack")
	return path


## Bytes that look as chance made them, the same for the same seed.
static func noise(size: int, seed_of: int) -> PackedByteArray:
	var bytes: PackedByteArray = []
	bytes.resize(size)
	var chance: RandomNumberGenerator = RandomNumberGenerator.new()
	chance.seed = seed_of
	for i: int in size / 4:
		bytes.encode_u32(4 * i, chance.randi())
	return bytes


## An exporter for a hub.
static func exporter(test: FramehubTest, hub: FramehubTestHub, patience: float = 20.0) -> FramehubExporter:
	ProjectSettings.set_setting(FramehubSettings.EXPORT_URL, hub.url)
	ProjectSettings.set_setting(FramehubSettings.EXPORT_PATIENCE, patience)
	test.later(
		func() -> void:
			ProjectSettings.set_setting(FramehubSettings.EXPORT_URL, null)
			ProjectSettings.set_setting(FramehubSettings.EXPORT_PATIENCE, null)
	)
	var made: FramehubExporter = FramehubExporter.new()
	made.preset = "Test"
	return made


## What SQL says of a hub.
static func ask(test: FramehubTest, hub: FramehubTestHub, sql: String) -> Array[Dictionary]:
	var db: MVSQLite = MVSQLite.new()
	ProjectSettings.set_setting(FramehubSettings.SQL_ROLE, "editor")
	db.open(hub.url)
	ProjectSettings.set_setting(FramehubSettings.SQL_ROLE, null)
	var rows: Array[Dictionary] = await db.execute(sql)
	test.equal(db.error, "", sql)
	db.close()
	return rows

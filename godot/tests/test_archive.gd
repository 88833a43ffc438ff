extends FramehubTest
## What Godot's Asset Library would hand out.


func test_the_archive_holds_the_addon_alone() -> void:
	if (
		not FileAccess.file_exists(project().path_join(".git"))
		and not DirAccess.dir_exists_absolute(project() + "/.git")
	):
		print("skipped: this is no clone of the repository")
		return
	var zip: String = OS.get_user_data_dir().path_join("addon-%d.zip" % OS.get_process_id())
	var said: Array = []
	var arguments: PackedStringArray = ["-C", project(), "archive", "--format=zip", "--output=" + zip, "HEAD:godot"]
	equal(OS.execute("git", arguments, said, true), 0, "git archive: %s" % [said])
	var reader: ZIPReader = ZIPReader.new()
	equal(reader.open(zip), OK, "the archive opens")
	var files: PackedStringArray = reader.get_files()
	reader.close()
	var root: String = "addons/framehub/"
	for file: String in files:
		check(file == "addons/" or file.begins_with(root), "%s is in the archive" % file)
	for file: String in ["plugin.cfg", "README.md", "LICENSE", "icons/client.svg", "framehub_client.gd"]:
		check(files.has(root + file), "%s is not in the archive" % file)

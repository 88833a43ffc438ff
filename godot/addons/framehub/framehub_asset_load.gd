class_name FramehubAssetLoad
extends RefCounted
## Loads files of a release over what the game has: round by round those that are wanted, what Godot has made
## of them, and then what their resources name.

## Why it ended before all was there, as a word; empty where all is.
var code: String = ""
## The same in words for people.
var text: String = ""
## Files that were loaded.
var count: int = 0

var _fetcher: FramehubAssets = null
var _cache: FramehubAssetCache = null
var _assets: Dictionary[String, PackedByteArray] = {}
var _seen: Dictionary[String, bool] = {}


func _init(fetcher: FramehubAssets, cache: FramehubAssetCache, assets: Dictionary[String, PackedByteArray]) -> void:
	_fetcher = fetcher
	_cache = cache
	_assets = assets


## Loads what is wanted. Wait for it.
func run(wanted: PackedStringArray) -> void:
	var named: PackedStringArray = wanted
	for path: String in wanted:
		if _find(path).is_empty():
			code = "missing"
			text = "release %d has no file %s" % [_fetcher.number, path]
			return
	while not named.is_empty() and code.is_empty():
		var round_of: PackedStringArray = await _round(named)
		named = PackedStringArray()
		for path: String in round_of:
			for of: String in (
				ResourceLoader.get_dependencies(path) if ResourceLoader.exists(path) else PackedStringArray()
			):
				named.append(of.get_slice("::", of.get_slice_count("::") - 1))


# Loads what is named and has not been seen. Returns the resources among it.
func _round(named: PackedStringArray) -> PackedStringArray:
	var resources: PackedStringArray = []
	var over: Dictionary[String, PackedByteArray] = {}
	var files: PackedStringArray = _new(named)
	while not files.is_empty():
		var sources: Dictionary[String, String] = await _fetch(files)
		if not code.is_empty():
			return resources
		var targets: PackedStringArray = []
		for file: String in files:
			resources.append(file.trim_suffix(".remap").trim_suffix(".import"))
			if sources[file] != file:
				over[file] = _assets[file]
			if file.ends_with(".remap") or file.ends_with(".import"):
				targets.append_array(_targets(sources[file]))
		files = _new(targets)
	if not over.is_empty():
		var mounted: Error = _cache.mount(over)
		if mounted != OK:
			code = "unavailable"
			text = "a pack of %d files can't be loaded: %s" % [over.size(), error_string(mounted)]
		count += over.size()
	return resources


# The release's files that a path means.
func _find(path: String) -> PackedStringArray:
	if path.ends_with("/"):
		return _fetcher.paths(path)
	var found: PackedStringArray = []
	for suffix: String in ["", ".remap", ".import"]:
		if _assets.has(path + suffix):
			found.append(path + suffix)
	return found


func _new(named: PackedStringArray) -> PackedStringArray:
	var files: PackedStringArray = []
	for path: String in named:
		for file: String in _find(path):
			if not _seen.has(file):
				_seen[file] = true
				files.append(file)
	return files


# Where each file can be read: in the game, where that has the same content, else on disk.
func _fetch(files: PackedStringArray) -> Dictionary[String, String]:
	var sources: Dictionary[String, String] = {}
	var answers: Dictionary[String, FramehubAnswer] = {}
	for file: String in files:
		if FileAccess.file_exists(file) and await _cache.hash_of(file) == _assets[file]:
			sources[file] = file
		else:
			answers[file] = _fetcher.fetch(file)
	for file: String in answers:
		var answer: FramehubAnswer = await answers[file].wait()
		if not answer.code.is_empty() and code.is_empty():
			code = answer.code
			text = "%s: %s" % [file, answer.text]
		sources[file] = str(answer.value)
	return sources


# Where Godot has put what it made of a file.
func _targets(source: String) -> PackedStringArray:
	var targets: PackedStringArray = []
	var config: ConfigFile = ConfigFile.new()
	if config.load(source) == OK and config.has_section("remap"):
		for key: String in config.get_section_keys("remap"):
			if key == "path" or key.begins_with("path."):
				targets.append(str(config.get_value("remap", key)))
	return targets

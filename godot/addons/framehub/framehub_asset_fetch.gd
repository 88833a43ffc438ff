class_name FramehubAssetFetch
extends RefCounted
## Brings one content from the hub to the disk, chunk by chunk, each of them checked. What an earlier try has
## left is gone on with.

const _AHEAD: int = 4  # chunks that are asked for at once

## Why it is not there, as a word; empty where it is.
var code: String = ""
## The same in words for people.
var text: String = ""

var _client: FramehubClient = null
var _cache: FramehubAssetCache = null
var _asset: PackedByteArray = []


func _init(client: FramehubClient, cache: FramehubAssetCache, asset: PackedByteArray) -> void:
	_client = client
	_cache = cache
	_asset = asset


## Fetches it, where it is not there already. Wait for it.
func run() -> void:
	if await _cache.has(_asset):
		return
	var chunks: PackedByteArray = await _read("asset", _asset, "chunks")
	if not code.is_empty():
		return
	if FramehubHash.of(chunks) != _asset:
		_refuse("corrupt", "what the hub says of asset %s is not what its hash says" % _asset.hex_encode())
		return
	var file: FileAccess = _open(chunks)
	if file == null:
		_refuse("unavailable", "%s: %s" % [_cache.partial_of(_asset), error_string(FileAccess.get_open_error())])
		return
	await _read_chunks(chunks, file)
	if not code.is_empty():
		return
	file.close()
	var completed: Error = _cache.complete(_asset)
	if completed != OK:
		_refuse("unavailable", "%s: %s" % [_cache.path_of(_asset), error_string(completed)])


func _refuse(with_code: String, words: String) -> void:
	if code.is_empty():
		code = with_code
		text = words


# The file with the chunks of it that are right, to be written on behind them.
func _open(chunks: PackedByteArray) -> FileAccess:
	var path: String = _cache.partial_of(_asset)
	var mode: FileAccess.ModeFlags = FileAccess.READ_WRITE if FileAccess.file_exists(path) else FileAccess.WRITE_READ
	var file: FileAccess = FileAccess.open(path, mode)
	if file == null:
		return null
	var right: int = 0
	for i: int in chunks.size() / FramehubHash.SIZE:
		if FramehubHash.of(file.get_buffer(FramehubHash.CHUNK)) != _name_of(chunks, i):
			break
		right = file.get_position()
	file.resize(right)
	file.seek(right)
	return file


func _name_of(chunks: PackedByteArray, i: int) -> PackedByteArray:
	return chunks.slice(FramehubHash.SIZE * i, FramehubHash.SIZE * (i + 1))


func _read_chunks(chunks: PackedByteArray, file: FileAccess) -> void:
	var count: int = chunks.size() / FramehubHash.SIZE
	var next: int = FramehubHash.count_of(file.get_length())
	var ahead: Array[FramehubAnswer] = []
	for i: int in range(next, count):
		while next < count and ahead.size() < _AHEAD:
			ahead.append(_client.read_large("asset_chunk", _name_of(chunks, next), "data", true))
			next += 1
		var name: PackedByteArray = _name_of(chunks, i)
		var bytes: PackedByteArray = await _value(ahead.pop_front() as FramehubAnswer, "asset_chunk", name, "data")
		if code.is_empty() and FramehubHash.of(bytes) != name:
			_refuse("corrupt", "chunk %d of asset %s is damaged on the hub" % [i, _asset.hex_encode()])
		if code.is_empty() and not file.store_buffer(bytes):
			_refuse("unavailable", "%s: %s" % [file.get_path(), error_string(file.get_error())])
		if not code.is_empty():
			return


func _read(table: String, key: PackedByteArray, column: String) -> PackedByteArray:
	return await _value(_client.read_large(table, key, column, true), table, key, column)


# The value of an answer, asked for again where the connection was lost.
func _value(answer: FramehubAnswer, table: String, key: PackedByteArray, column: String) -> PackedByteArray:
	await answer.wait()
	while answer.code == "unavailable" and await _is_back():
		answer = await _client.read_large(table, key, column, true).wait()
	if answer.code == "missing":
		_refuse("missing", "the hub has no %s %s" % [table.replace("_", " "), key.hex_encode()])
	elif not answer.code.is_empty():
		_refuse(answer.code, answer.text)
	return answer.value if answer.value is PackedByteArray else PackedByteArray()


# Waits for a connection. False where there will be none.
func _is_back() -> bool:
	while is_instance_valid(_client) and not _client.is_live():
		if _client.link.state in [FramehubLink.State.ENDED, FramehubLink.State.IDLE]:
			return false
		await (Engine.get_main_loop() as SceneTree).process_frame
	return is_instance_valid(_client)

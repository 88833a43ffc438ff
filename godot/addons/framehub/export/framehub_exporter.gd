class_name FramehubExporter
extends RefCounted
## Brings one export to the hub: the files of a pack, and rows of the game's, as a release with a number that
## is there whole or not at all.
##
## A project says what rows it has beside those of its scenes (see [FramehubRow]) in the script that the
## setting [code]framehub/export/script[/code] names:
## [codeblock]
## extends RefCounted
##
## func _framehub_export(exporter: FramehubExporter) -> void:
##     exporter.put("quest", {"id": 1, "title": "Find the lighthouse", "reward": 50})
## [/codeblock] What is to be done is done in this order: contents by their hashes, which nobody sees by
## itself; the list of files, by the hash of all of it; and in one transaction the release and the rows. Where
## it ends in the middle, the next one sends what is missing.

## Emitted while it goes on: about how many bytes of the pack the hub has, or are on their way, of all.
signal progressed(done: int, total: int)

const _TABLES: PackedStringArray = ["asset", "asset_chunk", "release_asset", "release", "release_row"]
const _PER_TX: int = 1 << 18  # bytes of small contents that go together
const _ROWS_PER_TX: int = 500

## The name of the export preset.
var preset: String = ""
## The number of the release, once it is there.
var number: int = 0
## Files and bytes of the release.
var files: int = 0
var bytes: int = 0
## Bytes of contents that the hub did not have.
var bytes_sent: int = 0

var _upload: FramehubUpload = FramehubUpload.new()
var _pack: FramehubPack = FramehubPack.new()
var _chunk_offsets: PackedInt64Array = []
var _chunk_sizes: PackedInt32Array = []
var _places: Dictionary[PackedByteArray, int] = {}  # a chunk of each hash
var _hashes: PackedByteArray = []  # of all chunks, in the pack's order
var _hashed: int = 0  # chunks
var _hashed_bytes: int = 0
var _rows: FramehubExportRows = FramehubExportRows.new()


## Sets the named columns of a row, or inserts it: when the release is there, so is the row. It is deleted by
## the first release of this preset that does not name it, unless another preset's does.
func put(table: String, row: Dictionary) -> void:
	_rows.put(table, row)


## Deletes a row, named by its key columns, with the release.
func delete(table: String, key: Dictionary) -> void:
	_rows.delete(table, key)


## Notes the rows of a scene: nodes of the group [code]framehub[/code] that have a [FramehubRow] with a key.
func add_scene(path: String) -> void:
	_rows.add_scene(path)


## Brings it to the hub. Returns words where that can't be.
func run(pack: String) -> String:
	var words: String = _pack.open(pack)
	if not words.is_empty():
		return words
	_upload.patience = FramehubSettings.of(FramehubSettings.EXPORT_PATIENCE)
	var url: String = FramehubSettings.of(FramehubSettings.EXPORT_URL)
	var role: String = FramehubSettings.of(FramehubSettings.EXPORT_ROLE)
	if _upload.open(url, role) and _look_at_tables():
		_send_all(pack)
	_upload.close()
	return _upload.error


func _look_at_tables() -> bool:
	for table: String in _TABLES:
		var shape: FramehubSchema.TableShape = _upload.shape(table)
		if shape == null:
			_upload.fail("the hub's database has no table %s: see addons/framehub/export/assets.sql" % table)
		elif not shape.rights & FramehubSchema.Right.INSERT:
			_upload.fail("the role may not write the table %s: see addons/framehub/export/assets.toml" % table)
	var words: String = _rows.describe(_upload.shape)
	if not words.is_empty():
		_upload.fail(words)
	if _upload.error.is_empty():
		_expect_fit(_rows.puts())  # said before all files have been sent in vain
	return _upload.error.is_empty()


func _expect_fit(tx: FramehubTx) -> void:
	var sizes: Array[int] = _upload.size_of(tx)
	if sizes[1] > 0 and sizes[0] > sizes[1]:
		var has: String = String.humanize_size(sizes[0])
		var takes: String = String.humanize_size(sizes[1])
		_upload.fail(
			(
				"the rows have %s, and the hub takes %s with a release: put less into rows, or more into files"
				% [has, takes]
			)
		)


func _send_all(pack: String) -> void:
	for i: int in _pack.paths.size():
		bytes += _pack.sizes[i]
		for chunk: int in FramehubHash.count_of(_pack.sizes[i]):
			var at: int = chunk * FramehubHash.CHUNK
			_chunk_offsets.append(_pack.offsets[i] + at)
			_chunk_sizes.append(mini(FramehubHash.CHUNK, _pack.sizes[i] - at))
	files = _pack.paths.size()
	var hasher: FramehubHasher = FramehubHasher.new()
	hasher.begin(pack, _chunk_offsets, _chunk_sizes)
	var sent: bool = _send_chunks(hasher)
	hasher.stop()
	if sent:
		var assets: Dictionary[String, PackedByteArray] = _name_assets()
		_send_tree(assets)


# While threads hash, the hub is asked what it has, and sent what it lacks.
func _send_chunks(hasher: FramehubHasher) -> bool:
	var presence: FramehubUpload.Presence = _upload.presence("asset_chunk")
	var done: Callable = func() -> bool:
		_take_hashes(hasher, presence)
		presence.look(_hashed == _chunk_offsets.size())
		_send_missing(presence)
		progressed.emit(maxi(0, _hashed_bytes - presence.open() * FramehubHash.CHUNK), bytes)
		return _hashed == _chunk_offsets.size() and presence.is_done() and presence.missing.is_empty()
	return _upload.until(done) and _upload.settle()


func _take_hashes(hasher: FramehubHasher, presence: FramehubUpload.Presence) -> void:
	while _hashed < _chunk_offsets.size():
		var hashed: PackedByteArray = hasher.hash_of(_hashed)
		if hashed.is_empty():
			return
		if not _places.has(hashed):
			_places[hashed] = _hashed
			presence.add(hashed)
		_hashes.append_array(hashed)
		_hashed_bytes += _chunk_sizes[_hashed]
		_hashed += 1


func _send_missing(presence: FramehubUpload.Presence) -> void:
	while not presence.missing.is_empty() and _upload.has_room() and _upload.error.is_empty():
		var hashes: Array[PackedByteArray] = []
		var data: Array[PackedByteArray] = []
		var size: int = 0
		while not presence.missing.is_empty() and data.size() < _ROWS_PER_TX:
			var chunk: int = _places[presence.missing[-1]]
			if size > 0 and size + _chunk_sizes[chunk] > _PER_TX:
				break
			data.append(_pack.read(_chunk_offsets[chunk], _chunk_sizes[chunk]))
			hashes.append(presence.missing.pop_back())
			size += _chunk_sizes[chunk]
		bytes_sent += size
		_upload.write(FramehubTx.new().put_rows("asset_chunk", {"hash": hashes, "data": data}), size)


# Names the assets of all files by their chunks.
func _name_assets() -> Dictionary[String, PackedByteArray]:
	var assets: Dictionary[String, PackedByteArray] = {}
	var contents: Dictionary[PackedByteArray, Array] = {}  # size and chunks by asset
	var at: int = 0
	for i: int in _pack.paths.size():
		var end: int = at + FramehubHash.SIZE * FramehubHash.count_of(_pack.sizes[i])
		var chunks: PackedByteArray = _hashes.slice(at, end)
		var asset: PackedByteArray = FramehubHash.of(chunks)
		assets[_pack.paths[i]] = asset
		contents[asset] = [_pack.sizes[i], chunks]
		at = end
	_send_assets(contents)
	return assets


# An asset is there when all its chunks are: they have been settled before.
func _send_assets(contents: Dictionary[PackedByteArray, Array]) -> void:
	var presence: FramehubUpload.Presence = _upload.presence("asset")
	for asset: PackedByteArray in contents:
		presence.add(asset)
	var done: Callable = func() -> bool:
		presence.look(true)
		return presence.is_done()
	if not _upload.until(done):
		return
	while not presence.missing.is_empty() and _upload.error.is_empty():
		var columns: Dictionary[String, Array] = {"hash": [], "size": [], "chunks": []}
		var size: int = 0
		while not presence.missing.is_empty() and columns.hash.size() < _ROWS_PER_TX and size < _PER_TX:
			var asset: PackedByteArray = presence.missing.pop_back()
			columns.hash.append(asset)
			columns.size.append(contents[asset][0])
			columns.chunks.append(contents[asset][1])
			size += columns.chunks[-1].size()
		_upload.write(FramehubTx.new().put_rows("asset", columns), size)
		_upload.until(_upload.has_room)
	_upload.settle()


func _send_tree(assets: Dictionary[String, PackedByteArray]) -> void:
	var tree: PackedByteArray = FramehubHash.of_tree(assets)
	if _upload.query("SELECT 1 FROM release WHERE tree = ? LIMIT 1", [tree]).is_empty():
		var paths: Array = assets.keys()
		for at: int in range(0, paths.size(), _ROWS_PER_TX):
			var some: Array = paths.slice(at, at + _ROWS_PER_TX)
			var columns: Dictionary[String, Array] = {"tree": [], "path": some, "asset": []}
			for path: String in some:
				columns.tree.append(tree)
				columns.asset.append(assets[path])
			_upload.write(FramehubTx.new().put_rows("release_asset", columns), 128 * some.size())
			_upload.until(_upload.has_room)
	if _upload.settle():
		_publish(tree)


# One transaction: the next number, unless another export has taken it meanwhile.
func _publish(tree: PackedByteArray) -> void:
	while _upload.error.is_empty():
		var last: Array[Array] = _upload.query("SELECT max(number) FROM release")
		var was: Array[Array] = _rows_before()
		if not _upload.error.is_empty():
			return
		var next: int = 1 + (0 if last[0][0] == null else int(last[0][0]))
		var now: int = int(1e6 * Time.get_unix_time_from_system())
		var release: Dictionary = {"number": next, "tree": tree, "preset": preset, "time": now}
		release.merge({"files": files, "bytes": bytes})
		var tx: FramehubTx = FramehubTx.new().insert("release", release)
		_rows.fill(tx, preset, was)
		_expect_fit(tx)
		if not _upload.error.is_empty() or not _upload.try_write(tx):
			return
		if tx.code.is_empty():
			number = next
			return
		if tx.code != "exists" or tx.refused_op != 0:
			_upload.fail("the hub refuses the release (%s): %s" % [tx.code, tx.text])


# All that exports have put, in parts that an answer holds.
func _rows_before() -> Array[Array]:
	var rows: Array[Array] = []
	while _upload.error.is_empty():
		var last: Array = rows[-1] if not rows.is_empty() else ["", "", ""]
		var statement: String = "SELECT preset, name, key FROM release_row WHERE (preset, name, key) > (?, ?, ?)"
		var part: Array[Array] = _upload.query(statement + " ORDER BY preset, name, key LIMIT 2000", last)
		rows.append_array(part)
		if part.size() < 2000:
			break
	return rows

class_name FramehubJournal
extends RefCounted
## What a device keeps on disk: who it is, and its transactions that have no outcome yet.
##
## One file for each device, which only grows until it is written anew; a torn end, as a killed game leaves
## it, is cut. Each running instance of a game locks the file that it uses, and takes the next free one. The
## lock is a UDP port of the loopback interface, which the system frees however the game ends. Browsers have
## no such ports, and no locks: what is kept there is forgotten with the page.

## What a record of the file tells.
enum Record { STATE, TX, SETTLED }

const _FORMAT: String = "framehub-journal-1\n"
const _SLOTS: int = 64
const _RESERVE: int = 1024  # numbers: so many are skipped by a game that was killed
const _REWRITE_ABOVE: int = 1 << 20  # bytes
const _MOST_RECORD: int = 1 << 26

## The device's id, empty while the hub has given none.
var device: PackedByteArray = []
## The history of the database that the device has seen last.
var epoch: PackedByteArray = []
## Whether a hub has ever told an outcome.
var known: bool = false
## No number of a transaction beyond this one has been used.
var reserved: int = 0
## Transactions without an outcome that were found, in their order.
var found: Array[FramehubTx] = []
## The file, as an absolute path; empty where nothing is kept.
var path: String = ""

var _file: FileAccess = null
var _lock: PacketPeerUDP = null
var _pending: Dictionary[int, PackedByteArray] = {}  # records by number
var _end: int = 0  # how many bytes of the file are good
var _kept: int = 0  # of them, when it was last written anew


## Opens the first file of a name that no other running instance has. Returns an error where there is none:
## then nothing is kept.
func open(folder: String, name: String) -> Error:
	if OS.has_feature("web"):
		return ERR_UNAVAILABLE
	var failed: Error = DirAccess.make_dir_recursive_absolute(folder)
	if failed != OK:
		return failed
	for slot: int in _SLOTS:
		var candidate: String = ProjectSettings.globalize_path(folder.path_join("%s-%d.journal" % [name, slot]))
		if _take(candidate):
			path = candidate
			_load()
			return _rewrite()
	return ERR_BUSY


# Locks a file.
func _take(candidate: String) -> bool:
	# A port that another program has is as good as a file that is taken.
	var port: int = 20000 + candidate.md5_text().left(8).hex_to_int() % 12000
	_lock = PacketPeerUDP.new()
	if _lock.bind(port, "127.0.0.1") == OK:
		return true
	_lock = null
	return false


## Lets go of the file.
func close() -> void:
	_file = null
	if _lock != null:
		_lock.close()
		_lock = null


func _load() -> void:
	var bytes: PackedByteArray = (
		FileAccess.get_file_as_bytes(path) if FileAccess.file_exists(path) else PackedByteArray()
	)
	var at: int = _FORMAT.length()
	if bytes.slice(0, at).get_string_from_ascii() != _FORMAT:
		return
	while bytes.size() - at >= 8:
		var size: int = bytes.decode_u32(at)
		if size > _MOST_RECORD or size > bytes.size() - at - 8:
			break
		var record: PackedByteArray = bytes.slice(at + 8, at + 8 + size)
		if _check(record) != bytes.decode_u32(at + 4) or not _apply(record):
			break
		at += 8 + size
	for record: PackedByteArray in _pending.values():
		var r: FramehubCbor = FramehubCbor.new(record)
		r.array("a record")
		r.uint("a kind of record")
		var tx: FramehubTx = FramehubTx.read_from(r)
		if tx != null:
			found.append(tx)


func _apply(record: PackedByteArray) -> bool:
	var r: FramehubCbor = FramehubCbor.new(record)
	r.array("a record")
	match r.uint("a kind of record"):
		Record.STATE:
			device = r.bytes("a device")
			epoch = r.bytes("an epoch")
			known = r.boolean("whether it is known")
			reserved = r.uint("the numbers that are reserved")
		Record.TX:
			r.array("a transaction")
			_pending[r.uint("a number")] = record
		Record.SETTLED:
			_pending.erase(r.uint("a number"))
	return r.error.is_empty()


static func _check(record: PackedByteArray) -> int:
	var context: HashingContext = HashingContext.new()
	context.start(HashingContext.HASH_SHA256)
	context.update(record)
	return context.finish().decode_u32(0)


# Writes what is still of use into a new file, which takes the old one's place. Where the disk does not take it, the
# old one stays.
func _rewrite() -> Error:
	var temporary: String = path + ".new"
	var file: FileAccess = FileAccess.open(temporary, FileAccess.WRITE)
	if file == null:
		return FileAccess.get_open_error()
	file.store_buffer(_FORMAT.to_ascii_buffer())
	var size: int = _FORMAT.length()
	for record: PackedByteArray in [_state()] + _pending.values():
		file.store_buffer(_framed(record))
		size += 8 + record.size()
	file.close()
	if FileAccess.get_size(temporary) != size:
		DirAccess.remove_absolute(temporary)
		return ERR_FILE_CANT_WRITE
	_file = null
	var failed: Error = DirAccess.rename_absolute(temporary, path)
	if failed != OK:
		return failed
	_end = size
	_kept = size
	return OK if _reopen() else ERR_FILE_CANT_WRITE


# Opens the file behind its last good record: what the disk took of another one is cut.
func _reopen() -> bool:
	_file = FileAccess.open(path, FileAccess.READ_WRITE)
	if _file == null or _file.resize(_end) != OK:
		_file = null
		return false
	_file.seek_end()
	return true


static func _framed(record: PackedByteArray) -> PackedByteArray:
	var head: PackedByteArray = [0, 0, 0, 0, 0, 0, 0, 0]
	head.encode_u32(0, record.size())
	head.encode_u32(4, _check(record))
	return head + record


# Says whether it is there, for whoever starts the game again.
func _append(record: PackedByteArray) -> bool:
	if _lock == null:
		return true  # nothing is kept
	if _file == null and not _reopen():
		return false
	var framed: PackedByteArray = _framed(record)
	_file.store_buffer(framed)
	_file.flush()
	# The engine does not say whether the disk has taken what it was given.
	if FileAccess.get_size(path) != _end + framed.size():
		_file = null
		return false
	_end += framed.size()
	return true


func _state() -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(5)
	w.integer(Record.STATE)
	w.blob(device)
	w.blob(epoch)
	w.boolean(known)
	w.integer(reserved)
	return w.bytes


## Notes who the device is, and which history it has seen.
func note(of_device: PackedByteArray, of_epoch: PackedByteArray, is_known: bool) -> void:
	if device == of_device and epoch == of_epoch and known == is_known:
		return
	device = of_device
	epoch = of_epoch
	known = is_known
	_append(_state())


## Sees to it that a number is never used again, whatever becomes of the game.
func reserve(seq: int) -> Error:
	if seq <= reserved:
		return OK
	var before: int = reserved
	reserved = seq + _RESERVE
	if _append(_state()):
		return OK
	reserved = before
	return ERR_FILE_CANT_WRITE


## Keeps a transaction until it has settled. ERR_INVALID_DATA where it has values that are none of SQL's,
## ERR_FILE_CANT_WRITE where the disk takes nothing.
func keep(tx: FramehubTx) -> Error:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(2)
	w.integer(Record.TX)
	if not tx.write_to(w):
		return ERR_INVALID_DATA
	if not _append(w.bytes):
		return ERR_FILE_CANT_WRITE
	_pending[tx.seq] = w.bytes
	return OK


## A transaction has its outcome.
func settle(seq: int) -> void:
	if not _pending.erase(seq):
		return
	var w: FramehubCborWriter = FramehubCborWriter.new()
	w.array(2)
	w.integer(Record.SETTLED)
	w.integer(seq)
	_append(w.bytes)
	if _end > _kept + _REWRITE_ABOVE and _rewrite() != OK:
		_kept = _end  # later, when there is as much again

extends FramehubTest
## What a device keeps on disk.


func _folder() -> String:
	return "user://journal-%d" % Time.get_ticks_usec()


func _open(folder: String) -> FramehubJournal:
	var journal: FramehubJournal = FramehubJournal.new()
	equal(journal.open(folder, "a"), OK, "open")
	return journal


func _tx(seq: int) -> FramehubTx:
	var tx: FramehubTx = FramehubTx.new()
	tx.put("t", {"id": seq, "x": 1.5, "name": "grün", "nothing": null, "blob": PackedByteArray([0, 255])})
	tx.touch_rows("t", {"id": PackedInt32Array([1, 2]), "x": PackedFloat32Array([0.5, 2.0])})
	tx.base = 7
	tx.seq = seq
	return tx


func _seqs(journal: FramehubJournal) -> Array:
	return journal.found.map(func(tx: FramehubTx) -> int: return tx.seq)


func test_it_is_found_again() -> void:
	var folder: String = _folder()
	var journal: FramehubJournal = _open(folder)
	journal.note(PackedByteArray([1, 2]), PackedByteArray([3]), true)
	journal.reserve(5)
	for seq: int in range(1, 5):
		equal(journal.keep(_tx(seq)), OK, "keep")
	journal.settle(2)
	journal.close()
	journal = _open(folder)
	equal([journal.device, journal.epoch, journal.known], [PackedByteArray([1, 2]), PackedByteArray([3]), true], "who")
	check(journal.reserved >= 5, "numbers that were used: %d" % journal.reserved)
	equal(_seqs(journal), [1, 3, 4], "what has no outcome")
	var found: FramehubCborWriter = FramehubCborWriter.new()
	var kept: FramehubCborWriter = FramehubCborWriter.new()
	journal.found[0].write_to(found)
	_tx(1).write_to(kept)
	equal(found.bytes, kept.bytes, "a transaction")
	equal(journal.found[0].ever_sent, true, "it may have been sent")


func test_a_torn_or_damaged_end_is_cut() -> void:
	var folder: String = _folder()
	var journal: FramehubJournal = _open(folder)
	for seq: int in range(1, 4):
		journal.keep(_tx(seq))
	var path: String = journal.path
	journal.close()
	var whole: PackedByteArray = FileAccess.get_file_as_bytes(path)
	for size: int in range(whole.size(), 0, -7):
		var damaged: PackedByteArray = whole.slice(0, size)
		if size % 2 == 0:
			damaged[size - 1] ^= 255
		var file: FileAccess = FileAccess.open(path, FileAccess.WRITE)
		file.store_buffer(damaged)
		file.close()
		journal = _open(folder)
		var found: Array = _seqs(journal)
		equal(found, range(1, found.size() + 1), "what is before the damage, at %d" % size)
		equal(journal.keep(_tx(9)), OK, "it goes on")
		journal.close()
		journal = _open(folder)
		equal(_seqs(journal), found + [9], "after it went on, at %d" % size)
		journal.close()


func test_it_is_written_anew_when_it_has_grown() -> void:
	var folder: String = _folder()
	var journal: FramehubJournal = _open(folder)
	var tx: FramehubTx = FramehubTx.new().put("t", {"id": 1, "blob": PackedByteArray()})
	tx._columns[0]["blob"][0].resize(1 << 18)
	for seq: int in range(1, 20):
		tx.seq = seq
		journal.keep(tx)
		if seq != 3:
			journal.settle(seq)
	check(FileAccess.get_file_as_bytes(journal.path).size() < 3 << 20, "it only grows")
	journal.close()
	journal = _open(folder)
	equal(_seqs(journal), [3], "what has no outcome")
	journal.close()


func test_each_takes_a_file_of_its_own() -> void:
	var folder: String = _folder()
	var one: FramehubJournal = _open(folder)
	var two: FramehubJournal = _open(folder)
	check(one.path != two.path, "two have one file")
	var first: String = one.path
	one.close()
	var three: FramehubJournal = _open(folder)
	equal(three.path, first, "the first that is free")


func test_values_that_can_not_be_kept() -> void:
	var journal: FramehubJournal = _open(_folder())
	for value: Variant in [NAN, Vector2.ONE, {}, [1], self]:
		var tx: FramehubTx = FramehubTx.new().put("t", {"id": 1, "x": value})
		tx.seq = 1
		equal(journal.keep(tx), ERR_INVALID_DATA, "a value: %s" % value)
	journal.close()
	journal = _open(_folder())
	equal(_seqs(journal), [], "nothing is kept")


func test_a_file_that_can_not_be_written_anew() -> void:
	var folder: String = _folder()
	var journal: FramehubJournal = _open(folder)
	DirAccess.make_dir_absolute(journal.path + ".new")  # the new file's place is taken
	var tx: FramehubTx = FramehubTx.new().put("t", {"id": 1, "blob": PackedByteArray()})
	tx._columns[0]["blob"][0].resize(1 << 18)
	for seq: int in range(1, 8):
		tx.seq = seq
		equal(journal.keep(tx), OK, "keep")
		if seq != 3:
			journal.settle(seq)
	equal(journal.keep(_tx(9)), OK, "it goes on in the old one")
	DirAccess.remove_absolute(journal.path + ".new")
	journal.close()
	equal(_seqs(_open(folder)), [3, 9], "what has no outcome")


func test_a_disk_that_is_full() -> void:
	if not FileAccess.file_exists("/dev/full"):
		return
	var folder: String = _folder()
	var journal: FramehubJournal = _open(folder)
	equal(journal.keep(_tx(1)), OK, "keep")
	journal._file = FileAccess.open("/dev/full", FileAccess.READ_WRITE)
	equal(journal.keep(_tx(2)), ERR_FILE_CANT_WRITE, "the disk takes nothing")
	equal(journal.keep(_tx(3)), OK, "there is room again")
	journal.close()
	equal(_seqs(_open(folder)), [1, 3], "what was kept")

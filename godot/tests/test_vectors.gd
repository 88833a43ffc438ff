extends FramehubTest
## The golden messages that every client reads.


# A value of the golden files as this client has it.
func _value(v: Array) -> Variant:
	match v[0]:
		"NULL":
			return null
		"undefined":
			return FramehubCbor.LARGE
		"INTEGER":
			return (v[1] as String).to_int()
		"REAL":
			return (v[1] as String).to_float()
		"BLOB":
			return (v[1] as String).hex_decode()
	return v[1]


func _values(list: Array) -> Array:
	return list.map(_value)


func _bytes(hex: Variant) -> PackedByteArray:
	return PackedByteArray() if hex == null else (hex as String).hex_decode()


func _whole(v: Variant, otherwise: int = -1) -> int:
	return otherwise if v == null else int(v as float)


# Rows of a block, whatever its columns are packed in.
func _rows(block: FramehubBlock) -> Array:
	var rows: Array = []
	for i: int in block.rows:
		rows.append(block.data.map(func(column: Variant) -> Variant: return column[i]))
	return rows


func _block(meaning: Dictionary) -> FramehubBlock:
	var block: FramehubBlock = FramehubBlock.new()
	block.table = _whole(meaning.table)
	block.rows = (meaning.rows as Array).size()
	for i: int in (meaning.columns as Array).size():
		block.columns.append(_whole(meaning.columns[i]))
		block.data.append((meaning.rows as Array).map(func(row: Array) -> Variant: return _value(row[i])))
	return block


func _equal_blocks(got: Array, want: Array, what: String) -> void:
	equal(got.size(), want.size(), what + ": blocks")
	for i: int in mini(got.size(), want.size()):
		var block: FramehubBlock = got[i]
		equal(block.table, _whole(want[i].table), what + ": table")
		equal(Array(block.columns), (want[i].columns as Array).map(_whole), what + ": columns")
		_equal_rows(_rows(block), (want[i].rows as Array).map(_values), what)


func _equal_rows(got: Array, want: Array, what: String) -> void:
	equal(got.size(), want.size(), what + ": rows")
	for i: int in mini(got.size(), want.size()):
		if got[i] is Array and want[i] is Array:
			_equal_rows(got[i] as Array, want[i] as Array, what)
		elif got[i] is float and want[i] is float:
			# The engine reads decimals to some 15 digits, and the smallest not at all.
			check(is_equal_approx(got[i] as float, want[i] as float), "%s: %s, wanted %s" % [what, got[i], want[i]])
		else:
			equal(got[i], want[i], what)


func test_blocks() -> void:
	for v: Dictionary in vectors("blocks.json"):
		var name: String = v.name
		var r: FramehubCbor = FramehubCbor.new(_bytes(v.hex))
		var block: FramehubBlock = FramehubBlock.read(r)
		equal(r.error, "", name)
		equal(r.left(), 0, name + ": bytes left")
		_equal_blocks([block], [v.meaning], name)
		if not v.canonical or name.contains("undefined") or name.contains("U+0000"):
			continue
		var w: FramehubCborWriter = FramehubCborWriter.new()
		if not name.contains("limits") or not name.begins_with("float"):  # see _equal_rows
			equal(_block(v.meaning as Dictionary).write(w), "", name + ": writing")
			equal(w.bytes.hex_encode(), v.hex, name + ": written")
		w = FramehubCborWriter.new()
		equal(block.write(w), "", name + ": writing what was read")
		equal(w.bytes.hex_encode(), v.hex, name + ": written as read")


func test_messages_of_the_hub() -> void:
	for v: Dictionary in vectors("messages.json"):
		if v.direction == "hub":
			var m: FramehubMessage = FramehubMessage.read(_bytes(v.hex))
			equal(m.error, "", v.name as String)
			_equal_message(m, v, v.name as String)


func _equal_message(m: FramehubMessage, v: Dictionary, name: String) -> void:
	var meaning: Dictionary = v.meaning
	if v.type == FramehubMessage.Type.PACKED:
		var inner: FramehubMessage = FramehubMessage.read(_bytes(meaning.unpacked))
		equal(m.type, inner.type, name)
		equal(m.version, inner.version, name)
		equal(
			var_to_str(_rows((m as FramehubFrame).blocks[0])),
			var_to_str(_rows((inner as FramehubFrame).blocks[0])),
			name
		)
		return
	equal(m.type as int, _whole(v.type), name + ": type")
	if meaning.has("id"):
		equal(m.id, _whole(meaning.id), name + ": id")
	if meaning.has("version") and meaning.version != null and v.type != FramehubMessage.Type.SCHEMA:
		equal(m.version, _whole(meaning.version), name + ": version")
	if meaning.has("refused"):
		_equal_refusal(m.refusal, meaning.refused, name)
	match int(v.type as float):
		FramehubMessage.Type.HELLO:
			_equal_hello(m as FramehubHello, meaning, name)
		FramehubMessage.Type.SNAPSHOT:
			_equal_blocks((m as FramehubFrame).blocks, meaning.blocks as Array, name)
		FramehubMessage.Type.FRAME:
			_equal_frame(m as FramehubFrame, meaning, name)
		FramehubMessage.Type.SETTLED:
			var outcomes: FramehubOutcomes = m
			equal(Array(outcomes.committed), (meaning.committed as Array).map(_whole), name)
			_equal_refusals(outcomes.rejected, meaning.rejected as Array, name)
		_:
			_equal_reply(m as FramehubReply, meaning, name)


func _equal_reply(m: FramehubReply, meaning: Dictionary, name: String) -> void:
	match m.type:
		FramehubMessage.Type.SCHEMA:
			_equal_schema(m.schema, meaning, name)
		FramehubMessage.Type.CLOCK:
			equal(m.echo, _value(meaning.echo as Array), name)
			equal(m.time, _whole(meaning.time), name)
		FramehubMessage.Type.GOODBYE:
			equal([m.code, m.text, m.retry], [_whole(meaning.code), meaning.text, _whole(meaning.retry_ms)], name)
		FramehubMessage.Type.PIECE:
			equal(m.bytes, _bytes(meaning.data), name)
			equal(m.size, _whole(meaning.size, 0), name)
		FramehubMessage.Type.SQL:
			equal(Array(m.columns), meaning.columns if meaning.columns else [], name)
			_equal_rows(m.rows, (meaning.rows if meaning.rows else []).map(_values) as Array, name)
		FramehubMessage.Type.TICK:
			equal(m.tells_holder, meaning.has("holder"), name)
			equal(m.device, _bytes(meaning.get("holder")), name)
		FramehubMessage.Type.EVENT:
			_equal_event(m, meaning, name)


func _equal_refusal(got: FramehubMessage.Refusal, want: Variant, name: String) -> void:
	if want == null:
		check(got == null, name + ": refused")
	elif got == null:
		fail(name + ": not refused")
	else:
		equal([got.code, got.text], [want.code, want.text], name)


func _equal_refusals(got: Array, want: Array, name: String) -> void:
	var flat: Array = got.map(func(r: FramehubMessage.Refusal) -> Array: return [r.seq, r.code, r.text, r.op, r.row])
	var wanted: Array = want.map(
		func(r: Dictionary) -> Array: return [_whole(r.seq), r.code, r.text, _whole(r.op), _whole(r.row)]
	)
	equal(flat, wanted, name + ": rejected")


func _equal_hello(m: FramehubHello, want: Dictionary, name: String) -> void:
	equal([m.session, m.device, m.epoch], [_bytes(want.session), _bytes(want.device), _bytes(want.epoch)], name)
	equal([m.settled, m.resumed, m.time], [_whole(want.settled), want.resumed, _whole(want.time)], name)
	equal(m.frame_hz, want.frame_hz, name)
	equal(Array(m.capabilities), want.capabilities, name)
	_equal_refusals(m.rejected, want.rejected as Array, name)
	for limit: String in want.limits:
		equal(m.limits.get(limit, 0.0), want.limits[limit], name + ": limit " + limit)
	_equal_schema(m.schema, want.schema as Dictionary, name)


func _equal_schema(got: FramehubSchema, want: Dictionary, name: String) -> void:
	equal(got.version, _whole(want.version), name + ": schema version")
	equal(got.tables.size(), (want.tables as Array).size(), name + ": tables")
	for i: int in got.tables.size():
		var t: FramehubSchema.TableShape = got.tables[i]
		var w: Dictionary = want.tables[i]
		equal([t.number, t.name, t.key_length], [_whole(w.number), w.name, _whole(w.key_length)], name)
		equal([t.scope, t.rights, t.kind], [_whole(w.scope), _whole(w.rights), w.class], name)
		for c: int in (w.columns as Array).size():
			var column: Dictionary = w.columns[c]
			equal([t.columns[c], t.types[c], t.flags[c]], [column.name, column.type, _whole(column.flags)], name)


func _equal_frame(m: FramehubFrame, want: Dictionary, name: String) -> void:
	equal([m.previous, m.time, m.more], [_whole(want.previous), _whole(want.time), want.more], name)
	_equal_blocks(m.blocks, want.changed as Array, name)
	_equal_blocks(m.removed, want.removed as Array, name)
	if want.complete == null:
		equal(m.complete, null, name)
	else:
		equal(Array(m.complete as PackedInt32Array), (want.complete as Array).map(_whole), name)
	var got: Array = []
	for a: FramehubFrame.Author in m.authors:
		got.append([a.device, a.seq, a.table, a.keys.map(func(k: Variant) -> Array: return k if k is Array else [k])])
	var wanted: Array = []
	for a: Dictionary in want.authors:
		wanted.append([_bytes(a.device), _whole(a.seq), _whole(a.table), (a.keys as Array).map(_values)])
	_equal_rows(got, wanted, name + ": authors")


func _equal_event(m: FramehubReply, want: Dictionary, name: String) -> void:
	equal(m.device, _bytes(want.from), name + ": from")
	equal(m.name, want.name if want.name else "", name + ": name")
	var value: Variant = want.value
	if value is Dictionary:
		equal(m.value, _values(value.list as Array), name)
	elif value != null:
		equal(m.value, _value(value as Array), name)


func _sub(s: Dictionary) -> FramehubSub:
	var hz: float = 0.0 if s.hz == null else s.hz
	var sub: FramehubSub = FramehubSub.all_of(str(s.table), hz)
	if s.scopes != null:
		sub = FramehubSub.scopes_of(str(s.table), _values(s.scopes as Array), hz)
	sub.since = _whole(s.since)
	return sub


func _subs(list: Array) -> Array[FramehubSub]:
	var subs: Array[FramehubSub] = []
	for s: Dictionary in list:
		subs.append(_sub(s))
	return subs


func _ops(list: Array) -> PackedByteArray:
	var w: FramehubCborWriter = FramehubCborWriter.new()
	for op: Dictionary in list:
		w.array(2)
		w.integer(_whole(op.op))
		_block(op.block as Dictionary).write(w)
	return w.bytes


func test_messages_of_a_device() -> void:
	var written: int = 0
	for v: Dictionary in vectors("messages.json"):
		if v.direction != "device" or not v.canonical or v.type == FramehubMessage.Type.PACKED:
			continue
		var bytes: PackedByteArray = _written(v.type as int, v.meaning as Dictionary)
		# This client names tables by name.
		if str(v.diagnostic).contains("[3, [-4") or bytes.is_empty():
			continue
		equal(bytes.hex_encode(), v.hex, v.name as String)
		written += 1
	check(written > 20, "only %d messages were written" % written)


func _written(type: int, m: Dictionary) -> PackedByteArray:
	match type:
		FramehubMessage.Type.HELLO:
			var said: Dictionary[String, Variant] = {}
			for key: String in m:
				said[key] = m[key]
			said.device = _bytes(m.device)
			said.epoch = _bytes(m.epoch)
			said.max_message = _whole(m.max_message)
			said.budget = _whole(m.budget)
			said.subs = null if m.subs == null else _subs(m.subs as Array)
			return FramehubRequest.hello(said)
		FramehubMessage.Type.WRITE:
			var ops: Array = m.ops
			return FramehubRequest.write(_whole(m.seq), _whole(m.base), _whole(m.schema_version), ops.size(), _ops(ops))
		FramehubMessage.Type.SUBSCRIBE:
			return FramehubRequest.subscribe(_whole(m.id), _subs(m.add as Array), _subs(m.remove as Array))
		FramehubMessage.Type.CLOCK:
			return FramehubRequest.clock(_value(m.echo as Array))
		FramehubMessage.Type.TICK:
			return FramehubRequest.tick(_whole(m.n))
		FramehubMessage.Type.GOODBYE:
			return FramehubRequest.goodbye(_whole(m.code), m.text as String)
		FramehubMessage.Type.SQL:
			return FramehubRequest.sql(_whole(m.id), m.sql as String, _values(m.params as Array))
		FramehubMessage.Type.PIECE:
			var key: Array = _values(m.key as Array)
			return FramehubRequest.piece(
				_whole(m.id), _whole(m.table), key if key.size() > 1 else key[0], _whole(m.column), _whole(m.offset)
			)
		FramehubMessage.Type.WILL:
			if m.ops == null:
				return FramehubRequest.will(_whole(m.id), _whole(m.schema_version), -1, PackedByteArray())
			var ops: Array = m.ops
			return FramehubRequest.will(_whole(m.id), _whole(m.schema_version), ops.size(), _ops(ops))
		FramehubMessage.Type.EVENT:
			var to: Variant = _bytes(m.to.device) if m.to.has("device") else m.to.get("role")
			if to == null:
				to = [m.to.table if m.to.table is String else _whole(m.to.table), _value(m.to.scope as Array)]
			var list: bool = m.value is Dictionary
			return FramehubRequest.event(
				to, m.name as String, _values(m.value.list as Array) if list else _value(m.value as Array)
			)
	return PackedByteArray()


# Without a word of the engine's, which has one for each byte.
func test_texts() -> void:
	for text: String in [
		"", "a", "grün", "größer als acht Bytes", "木", "🎈🎈🎈", "12345678ü", "\u0080", "\uffff", "\ufeffa"
	]:
		equal(FramehubText.read(text.to_utf8_buffer()), text, "a text")
	equal(FramehubText.read(PackedByteArray([0x61, 0, 0x62])), "a\ufffdb", "a text with U+0000")
	for hex: String in [
		"ff",
		"80",
		"c3",
		"61c3",
		"c080",
		"c1bf",
		"e0809f",
		"e09fbf",
		"eda080",
		"edbfbf",
		"f08fbfbf",
		"f4908080",
		"f5808080"
	]:
		for bytes: String in [hex, "6161616161616161" + hex, hex + "6161616161616161"]:
			equal(FramehubText.read(bytes.hex_decode()), "", "%s, which is no text" % bytes)


func test_invalid_messages() -> void:
	for v: Dictionary in vectors("invalid.json"):
		if v.direction == "hub":
			var m: FramehubMessage = FramehubMessage.read(_bytes(v.hex))
			check(not m.error.is_empty(), "%s: taken, but it is %s" % [v.name, v.reason])


# Whatever a hub sends ends in a message or in words.
func test_damaged_messages() -> void:
	var random: RandomNumberGenerator = RandomNumberGenerator.new()
	random.seed = OS.get_environment("FRAMEHUB_SEED").to_int()
	var seconds: float = OS.get_environment("FRAMEHUB_FUZZ_SECONDS").to_float()
	var end: int = Time.get_ticks_usec() + int(1e6 * (seconds if seconds > 0 else 3.0))
	var golden: Array = vectors("messages.json").filter(func(v: Dictionary) -> bool: return v.direction == "hub")
	var tried: int = 0
	while Time.get_ticks_usec() < end:
		var bytes: PackedByteArray = _damaged(_bytes(golden[random.randi() % golden.size()].hex), random)
		var m: FramehubMessage = FramehubMessage.read(bytes, 1 << 20)
		if m.error.is_empty() and m.type == FramehubMessage.Type.FRAME:
			var frame: FramehubFrame = m
			for block: FramehubBlock in frame.blocks + frame.removed:
				_rows(block)
		tried += 1
	check(tried > 1000, "only %d messages were tried" % tried)


func _damaged(bytes: PackedByteArray, random: RandomNumberGenerator) -> PackedByteArray:
	for i: int in 1 + random.randi() % 4:
		match random.randi() % 4:
			0:
				bytes[random.randi() % bytes.size()] = random.randi() & 255
			1:
				bytes = bytes.slice(0, 1 + random.randi() % bytes.size())
			2:
				bytes[random.randi() % bytes.size()] ^= 1 << random.randi() % 8
			3:
				bytes.insert(random.randi() % bytes.size(), random.randi() & 255)
	return bytes

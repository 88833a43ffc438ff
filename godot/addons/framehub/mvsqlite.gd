@icon("icons/mvsqlite.svg")
class_name MVSQLite
extends RefCounted
## A database as one that lies beside the game: statements in SQL, which the hub runs in its frames and
## broadcasts like everything else.
##
## [codeblock]
## var db: MVSQLite = MVSQLite.new()
## db.open("user://world.db")
## await db.execute("INSERT INTO player (id, name) VALUES (?, ?)", [7, "Ada"])
## for row: Dictionary in await db.execute("SELECT id, name FROM player"):
##     print(row.id, " ", row.name)
## [/codeblock] The token must allow a role that may run SQL: server, editor or admin. Statements run in the
## order in which they were given, also where nobody waits for them; what they may be, docs/sql.md says. One
## that was under way when the connection was lost is not run again, as nobody knows whether it was; those
## that wait go on when there is a connection.

## Emitted when a statement was not run, or nobody knows whether it was.
signal failed(sql: String, code: String, text: String)

const _UNDER_WAY: int = 8  # what the hub takes of a session
const _MOST: int = 65536  # statements that wait

## Why the last statement failed that has an answer; empty where it did not.
var error: String = ""

var _client: FramehubClient = null
var _waiting: Array[_Statement] = []
var _under_way: int = 0


class _Statement:
	extends RefCounted
	var sql: String = ""
	var params: Array = []
	var answer: FramehubAnswer = FramehubAnswer.new()


func _notification(what: int) -> void:
	if what == NOTIFICATION_PREDELETE and is_instance_valid(_client):
		_client.queue_free()


## Connects to a hub: ws://host:8080. The name of a file, as user://world.db, means the hub of the project
## settings.
func open(url: String, token: String = "") -> Error:
	if _client != null:
		return ERR_ALREADY_IN_USE
	var tree: SceneTree = Engine.get_main_loop() as SceneTree
	if tree == null:
		return ERR_UNAVAILABLE
	_client = FramehubClient.new()
	_client.name = "MVSQLite"
	_client.url = "" if not url.begins_with("ws") and not url.begins_with("http") else url
	_client.token = token
	_client.role = str(FramehubSettings.of(FramehubSettings.SQL_ROLE))
	_client.keep_device = false
	_client.everything = false
	_client.connected.connect(_send)
	_client.disconnected.connect(_on_disconnected)
	tree.root.add_child.call_deferred(_client)
	return OK


## Leaves. Statements that wait fail.
func close() -> void:
	if is_instance_valid(_client):
		_client.queue_free()
	_client = null
	_fail_all("the database was closed")


## Runs one statement, with a value for each ?. Returns a dictionary for each row that it returns; none
## where it failed, and [member error] then says why.
func execute(sql: String, params: Array = []) -> Array[Dictionary]:
	var statement: _Statement = _Statement.new()
	statement.sql = sql
	statement.params = params.duplicate()
	if _client == null:
		statement.answer.refuse("unavailable", "the database is not open")
	elif _waiting.size() >= _MOST:
		statement.answer.refuse("rate", "%d statements are waiting" % _MOST)
	else:
		_waiting.append(statement)
		_send()
	var answer: FramehubAnswer = await statement.answer.wait()
	error = answer.text
	if not answer.code.is_empty():
		failed.emit(sql, answer.code, answer.text)
	return _dictionaries(answer)


## Runs a transaction, which is done whole or refused whole: [param fill] is called with a [FramehubTx].
## Returns it with its outcome.
func transaction(fill: Callable) -> FramehubTx:
	var tx: FramehubTx = FramehubTx.new()
	fill.call(tx)
	if _client == null or _client.write(tx) != OK:
		tx.refuse("unavailable", "the database is not open, or too much waits")
	await tx.wait()
	error = tx.text
	return tx


func _send() -> void:
	while _client != null and _client.is_live() and _under_way < _UNDER_WAY and not _waiting.is_empty():
		_run(_waiting.pop_front() as _Statement)


func _run(statement: _Statement) -> void:
	_under_way += 1
	var answer: FramehubAnswer = _client.sql(statement.sql, statement.params)
	if answer.finished:
		_on_answer(statement, answer)
	else:
		answer.done.connect(_on_answer.bind(statement, answer), CONNECT_ONE_SHOT)


func _on_answer(statement: _Statement, answer: FramehubAnswer) -> void:
	_under_way -= 1
	statement.answer.columns = answer.columns
	statement.answer.rows = answer.rows
	if answer.code.is_empty():
		statement.answer.finish(answer.version)
	else:
		statement.answer.refuse(answer.code, answer.text)
	_send()


static func _dictionaries(answer: FramehubAnswer) -> Array[Dictionary]:
	var list: Array[Dictionary] = []
	for values: Array in answer.rows:
		var row: Dictionary = {}
		for i: int in answer.columns.size():
			row[answer.columns[i]] = values[i]
		list.append(row)
	return list


func _on_disconnected(_code: int, reason: String, will_retry: bool) -> void:
	if not will_retry:
		_fail_all(reason)


func _fail_all(words: String) -> void:
	var waiting: Array[_Statement] = _waiting
	_waiting = []
	for statement: _Statement in waiting:
		statement.answer.refuse("unavailable", words)

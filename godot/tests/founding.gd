extends Node
## The script that this project began with, in the syntax of Godot 4.

var db: MVSQLite = MVSQLite.new()
var rows: Array = [["alice", 1], ["bob", 2], ["carol", 3]]
var inserted: int = 0


func _ready() -> void:
	db.open("user://world.db")
	var timer: Timer = Timer.new()
	timer.wait_time = 1800.0
	timer.autostart = true
	timer.timeout.connect(get_tree().quit)
	add_child(timer)


func _process(_delta: float) -> void:
	for row: Array in rows:
		db.execute("INSERT INTO visit (name, room) VALUES (?, ?)", row)
		inserted += 1

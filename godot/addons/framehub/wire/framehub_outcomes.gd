class_name FramehubOutcomes
extends FramehubMessage
## What became of transactions: those that are part of [member FramehubMessage.version], and those that were
## refused.

## Numbers of transactions that are part of the version.
var committed: PackedInt64Array
## Those that were refused.
var rejected: Array[Refusal]


func _read_body(r: FramehubCbor) -> void:
	version = _uint(r, "the version of an outcome")
	_left -= 1
	for i: int in r.array("the numbers that are committed"):
		if not r.error.is_empty():
			return
		committed.append(r.uint("a transaction's number"))
	if _given(r):
		rejected = _read_refusals(r)

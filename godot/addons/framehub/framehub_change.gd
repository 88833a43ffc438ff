class_name FramehubChange
extends RefCounted
## What happened to a table of the copy.

## The table.
var table: FramehubTable = null
## The places of rows that are new or changed. They hold until the table changes next.
var rows: PackedInt32Array = []
## The keys of rows that went.
var removed: Array = []

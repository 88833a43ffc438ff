@tool
extends EditorPlugin
## Framehub in the editor.

var _export: EditorExportPlugin = preload("export/framehub_export_plugin.gd").new()


func _enter_tree() -> void:
	FramehubSettings.register()
	add_export_plugin(_export)


func _exit_tree() -> void:
	remove_export_plugin(_export)

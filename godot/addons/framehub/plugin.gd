@tool
extends EditorPlugin
## Framehub in the editor.


func _enter_tree() -> void:
	FramehubSettings.register()

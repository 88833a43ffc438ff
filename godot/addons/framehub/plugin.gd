@tool
extends EditorPlugin
## Framehub in the editor.

@tool
class_name FramehubExportProgress
extends RefCounted
## Says how far an export has come: as lines on the terminal and in the editor's output, and as a bar over the
## editor.
##
## An export is one call of the engine's, in which the editor draws nothing by itself and takes no input: the bar
## is drawn past its controls, and what is clicked meanwhile is dropped.

const _LINE_EVERY: int = 1000  # ms
const _BAR_EVERY: int = 100
const _SIZE: Vector2 = Vector2(480, 84)
const _MARGIN: float = 16.0
const _THICKNESS: float = 12.0

var _began: int = Time.get_ticks_msec()
var _next_line: int = _LINE_EVERY
var _next_bar: int = 0
var _bar: RID = RID()
var _over: Control = null  # what the bar is drawn over; null without a window


## Draws over a control of the editor; null: lines alone.
func _init(over: Control = null) -> void:
	_over = over
	if over != null:
		_bar = RenderingServer.canvas_item_create()
		RenderingServer.canvas_item_set_parent(_bar, over.get_canvas_item())
		RenderingServer.canvas_item_set_z_index(_bar, RenderingServer.CANVAS_ITEM_Z_MAX)


## What to draw over: the dialog that is in front, or the editor; null without a window.
static func front() -> Control:
	if DisplayServer.get_name() == "headless":
		return null
	var editor: Control = EditorInterface.get_base_control()
	var window: Window = Window.get_focused_window()
	if window == null or window == editor.get_window():
		return editor
	for child: Node in window.get_children(true):
		if child is Control and (child as Control).is_visible_in_tree():
			return child
	return editor


## Seconds since the beginning.
func seconds() -> float:
	return (Time.get_ticks_msec() - _began) / 1000.0


## Tells how far it is. It may be called as often as one likes.
func show(done: int, total: int) -> void:
	var now: int = Time.get_ticks_msec() - _began
	var words: String = "the hub has %s of %s" % [String.humanize_size(done), String.humanize_size(total)]
	if now >= _next_line:
		_next_line = now + _LINE_EVERY
		print("Framehub: ", words)
	if _over != null and now >= _next_bar:
		_next_bar = now + _BAR_EVERY
		_draw(words, float(done) / maxi(total, 1))
		RenderingServer.force_draw()
		DisplayServer.force_process_and_drop_events()


func _draw(words: String, part: float) -> void:
	var at: Vector2 = ((_over.size - _SIZE) / 2.0).floor()
	var accent: Color = _over.get_theme_color("accent_color", "Editor")
	var base: Color = _over.get_theme_color("base_color", "Editor")
	var font: Font = _over.get_theme_font("main", "EditorFonts")
	var size: int = _over.get_theme_font_size("main_size", "EditorFonts")
	RenderingServer.canvas_item_clear(_bar)
	RenderingServer.canvas_item_add_rect(_bar, Rect2(at, _SIZE).grow(1.0), accent)
	RenderingServer.canvas_item_add_rect(_bar, Rect2(at, _SIZE), base)
	var text_at: Vector2 = at + Vector2(_MARGIN, _MARGIN + font.get_ascent(size))
	font.draw_string(_bar, text_at, "Framehub: " + words, HORIZONTAL_ALIGNMENT_LEFT, _SIZE.x - 2.0 * _MARGIN, size)
	var groove: Rect2 = Rect2(
		at.x + _MARGIN, at.y + _SIZE.y - _MARGIN - _THICKNESS, _SIZE.x - 2.0 * _MARGIN, _THICKNESS
	)
	RenderingServer.canvas_item_add_rect(_bar, groove, base.darkened(0.4))
	groove.size.x *= clampf(part, 0.0, 1.0)
	RenderingServer.canvas_item_add_rect(_bar, groove, accent)


## It has ended.
func end() -> void:
	if _over != null:
		RenderingServer.free_rid(_bar)
		_over = null

class_name FramehubSettings
extends RefCounted
## The project settings of Framehub, and what they are where they are not set.

## The hub's address, as ws://127.0.0.1:8080.
const URL: String = "framehub/url"
## The name of the environment's variable that has the token.
const TOKEN_VARIABLE: String = "framehub/token_environment_variable"
## The role of [MVSQLite].
const SQL_ROLE: String = "framehub/sql_role"
## Names of export presets whose exports are streamed to the hub.
const EXPORT_PRESETS: String = "framehub/export/presets"
## The hub that exports go to; empty: [constant URL].
const EXPORT_URL: String = "framehub/export/url"
## The role of exports.
const EXPORT_ROLE: String = "framehub/export/role"
## A script with [code]_framehub_export(exporter: FramehubExporter)[/code]; empty: none.
const EXPORT_SCRIPT: String = "framehub/export/script"
## How long the hub may be away before an export fails, in seconds.
const EXPORT_PATIENCE: String = "framehub/export/patience_seconds"

const _DEFAULTS: Dictionary[String, Variant] = {
	URL: "ws://127.0.0.1:8080/v1/sync",
	TOKEN_VARIABLE: "FRAMEHUB_TOKEN",
	SQL_ROLE: "server",
	EXPORT_PRESETS: [],
	EXPORT_URL: "",
	EXPORT_ROLE: "editor",
	EXPORT_SCRIPT: "",
	EXPORT_PATIENCE: 30.0,
}

const _HINTS: Dictionary[String, Dictionary] = {
	EXPORT_SCRIPT: {"type": TYPE_STRING, "hint": PROPERTY_HINT_FILE, "hint_string": "*.gd"},
	EXPORT_PATIENCE: {"type": TYPE_FLOAT, "hint": PROPERTY_HINT_RANGE, "hint_string": "1,600,1,suffix:s"},
}


## A setting.
static func of(setting: String) -> Variant:
	return ProjectSettings.get_setting(setting, _default(setting))


static func _default(setting: String) -> Variant:
	return PackedStringArray(_DEFAULTS[setting]) if _DEFAULTS.get(setting) is Array else _DEFAULTS.get(setting)


## The token, which no project file has: it is in the environment.
static func token() -> String:
	var variable: String = of(TOKEN_VARIABLE)
	return OS.get_environment(variable) if not variable.is_empty() else ""


## An address as the client takes it: the setting's where it is empty, and with the hub's path where it has
## none.
static func address(url: String) -> String:
	var full: String = url if not url.is_empty() else str(of(URL))
	full = full.strip_edges().trim_suffix("/").replace("http://", "ws://").replace("https://", "wss://")
	return full if full.get_slice_count("/") > 3 else full + "/v1/sync"


## Shows the settings in the editor.
static func register() -> void:
	for setting: String in _DEFAULTS:
		if not ProjectSettings.has_setting(setting):
			ProjectSettings.set_setting(setting, _default(setting))
		ProjectSettings.set_initial_value(setting, _default(setting))
		ProjectSettings.set_as_basic(setting, true)
		if _HINTS.has(setting):
			ProjectSettings.add_property_info({"name": setting}.merged(_HINTS[setting]))

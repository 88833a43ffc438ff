class_name FramehubSettings
extends RefCounted
## The project settings of Framehub, and what they are where they are not set.

const URL: String = "framehub/url"
const TOKEN_VARIABLE: String = "framehub/token_environment_variable"
const SQL_ROLE: String = "framehub/sql_role"

const _DEFAULTS: Dictionary[String, Variant] = {
	URL: "ws://127.0.0.1:8080/v1/sync",
	TOKEN_VARIABLE: "FRAMEHUB_TOKEN",
	SQL_ROLE: "server",
}


## A setting.
static func of(setting: String) -> Variant:
	return ProjectSettings.get_setting(setting, _DEFAULTS.get(setting))


## The token, which no project file has: it is in the environment.
static func token() -> String:
	var variable: String = of(TOKEN_VARIABLE)
	return OS.get_environment(variable) if not variable.is_empty() else ""


## An address as the client takes it: the setting's where it is empty, and with the hub's path where it has
## none.
static func address(url: String) -> String:
	var full: String = url if not url.is_empty() else str(of(URL))
	full = full.replace("http://", "ws://").replace("https://", "wss://")
	return full if full.get_slice_count("/") > 3 else full + "/v1/sync"


## Shows the settings in the editor.
static func register() -> void:
	for setting: String in _DEFAULTS:
		if not ProjectSettings.has_setting(setting):
			ProjectSettings.set_setting(setting, _DEFAULTS[setting])
		ProjectSettings.set_initial_value(setting, _DEFAULTS[setting])
		ProjectSettings.set_as_basic(setting, true)

# shellcheck shell=bash
# What the scripts share that run Godot: the program, a hub that is built from here, a home of their own, an import.
# Sourced after lib.sh, never run.

# Finds Godot, or says what is missing.
find_godot() {
  scripts/setup-test-tools godot "$@"
  # shellcheck disable=SC2154 # lib.sh sets it
  [ -e "$cache/tools/godot.env" ] || die "$(cat "$cache/tools/godot.skipped")"
  # shellcheck source=/dev/null
  . "$cache/tools/godot.env"
}

# Builds the hub, and lets Godot import the project: the names of classes are known after that. What a Godot stores on its
# machine is a folder of its own here, and goes with the script.
use_godot() {
  scripts/build
  # shellcheck disable=SC2154 # lib.sh sets it
  export GODOT FRAMEHUB=$root/bin/framehub
  home=$(mktemp -d "$cache/godot-home.XXXXXX")
  trap 'rm -rf "$home"' EXIT
  export HOME=$home XDG_DATA_HOME=$home/data XDG_CONFIG_HOME=$home/config XDG_CACHE_HOME=$home/cache
  timeout 180 "$GODOT" --headless --path godot --import >"$cache/godot-import.log" 2>&1 ||
    { cat "$cache/godot-import.log" && die "Godot can't import the project"; }
}

# shellcheck shell=bash
# What the scripts share: the project's folder, the cache folder, the build tag, messages.
# Sourced, never run.
#
# Environment (optional):
#   FRAMEHUB_CACHE   where tools, virtual environments and results are kept   (default: .cache in the project)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root" || exit 1

cache=${FRAMEHUB_CACHE:-.cache}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P) || exit 1
export FRAMEHUB_CACHE=$cache

# The store needs SQLite's preupdate hook, which go-sqlite3 compiles in under this tag only, and a C compiler.
export CGO_ENABLED=1
case ${GOFLAGS:-} in
*sqlite_preupdate_hook*) ;;
*) GOFLAGS="$(go env GOFLAGS 2>/dev/null || true) -tags=sqlite_preupdate_hook" && export GOFLAGS ;;
esac

# go.mod names a toolchain whose standard library has the known holes mended. An older go fetches that one, even where it was
# told to stay as it is; where it can't, the old one goes on and govulncheck says what is wrong with it.
if command -v go >/dev/null; then
  if GOTOOLCHAIN=auto go version >/dev/null; then export GOTOOLCHAIN=auto; else export GOTOOLCHAIN=local; fi
fi

me=$(basename "$0")
say() { echo "$me: $*" >&2; }
die() { say "$@" && exit 1; }

# Runs a command while it holds the lock of that name, where the machine has flock.
locked() {
  local name=$1
  shift
  if ! command -v flock >/dev/null; then
    "$@"
    return
  fi
  mkdir -p "$cache/locks"
  { flock 9 && "$@" 9>&-; } 9>"$cache/locks/$name"
}

# The SHA-256 of standard input, short enough for a folder's name.
key() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-12
}

# Every Go file of the project, each name ended by a NUL; folders whose name starts with a dot are not the project's.
go_files() { find . -name '.?*' -prune -o -name '*.go' -print0; }

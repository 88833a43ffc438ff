package mvsqlite

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Environ returns an environment for the child: base, with the library and what it has
// to know. What base has set stays, but for another cluster than the address names.
func (c *Cluster) Environ(base []string, library string) ([]string, error) {
	env := slices.Clone(base)
	set := func(key, value string) {
		if _, ok := lookup(env, key); !ok {
			env = append(env, key+"="+value)
		}
	}
	planes := strings.Join(c.DataPlanes, ",")
	if have, ok := lookup(env, "MVSQLITE_DATA_PLANE"); ok && have != planes {
		return nil, fmt.Errorf("the environment has MVSQLITE_DATA_PLANE=%s, and --db is at %s: take one of them away", have, planes)
	}
	set("MVSQLITE_DATA_PLANE", planes)
	set("MVSQLITE_SECTOR_SIZE", "8192") // a database keeps the page size that it was made with
	// A commit of many scattered pages takes 16 ms instead of 20 (p50), against the default of 10 pages.
	set("MVSQLITE_WRITE_CHUNK_SIZE", "64")
	preload, _ := lookup(env, "LD_PRELOAD")
	if others := preloaded(preload); !slices.Contains(others, library) {
		env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "LD_PRELOAD=") })
		set("LD_PRELOAD", strings.Join(append([]string{library}, others...), ":"))
	}
	return env, nil
}

// Plain returns an environment for a process that opens databases in files, of one for the
// child: without the library, and what it has to know.
func Plain(env []string, library string) []string {
	var plain []string
	for _, kv := range env {
		key, value, _ := strings.Cut(kv, "=")
		if key == "LD_PRELOAD" {
			others := slices.DeleteFunc(preloaded(value), func(path string) bool { return path == library })
			if len(others) == 0 {
				continue
			}
			kv = "LD_PRELOAD=" + strings.Join(others, ":")
		}
		if !strings.HasPrefix(key, "MVSQLITE_") && key != supervisedKey {
			plain = append(plain, kv)
		}
	}
	return plain
}

// lookup returns the last value that an environment has for a key.
func lookup(env []string, key string) (value string, ok bool) {
	for _, kv := range env {
		if v, found := strings.CutPrefix(kv, key+"="); found {
			value, ok = v, true
		}
	}
	return value, ok
}

// supervisedKey is set in a child: the number of the file by which it says that it is
// ready.
const supervisedKey = "FRAMEHUB_SUPERVISED"

// Supervised says whether this process is a supervisor's child.
func Supervised() bool { return os.Getenv(supervisedKey) != "" }

//go:build !libsqlite3

package main_test

// libsqlite3 says whether this program loads a SQLite as it starts.
const libsqlite3 = false

package auth

import "testing"

// SetMaxBansFile makes the file of bans smaller, in bytes, until the test ends.
func SetMaxBansFile(tb testing.TB, most int) {
	tb.Helper()
	was := maxBansFile
	maxBansFile = most
	tb.Cleanup(func() { maxBansFile = was })
}

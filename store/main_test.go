package store_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails on a goroutine that a test left behind. The test binary is
// also the program of the tests that need a process of their own.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role))
	}
	goleak.VerifyTestMain(m)
}

package operators_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails on a goroutine that a test left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

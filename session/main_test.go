package session_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(sinkAddress); address != "" {
		sink(address) // as the child process of a benchmark
		return
	}
	goleak.VerifyTestMain(m)
}

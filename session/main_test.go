package session_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"framehub/session/wire"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(sinkAddress); address != "" {
		sink(address) // as the child process of a benchmark
		return
	}
	wire.Pack(nil, nil) // zstd makes its channels at the first use, which must not be in a bubble
	goleak.VerifyTestMain(m)
}

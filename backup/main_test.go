package backup_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"framehub/backup"
	"framehub/store/storetest"
)

// TestMain fails on a goroutine that a test left behind. The test binary is also the
// program of the child processes.
func TestMain(m *testing.M) {
	if onMvsim() {
		storetest.JoinMvsim(childTB{})
	}
	if len(os.Args) > 1 && os.Args[1] == backup.ChildCommand {
		signal.Ignore(syscall.SIGXFSZ)
		limitFiles()
		if err := backup.Child(context.Background(), os.Stdin, os.Stdout); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if path := os.Getenv(hubPath); path != "" {
		os.Exit(childHub(path))
	}
	if path := os.Getenv(makePath); path != "" {
		os.Exit(childMaker(path))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		removePlain()
		os.Exit(code)
	}))
}

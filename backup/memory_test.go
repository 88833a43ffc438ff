package backup_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"framehub/backup"
	"framehub/store"
)

// makePath is in the environment of a process that is to make a database of FRAMEHUB_BENCH_SIZE.
const makePath = "FRAMEHUB_BACKUP_TEST_MAKE"

// makeElsewhere has another process make a database, whose memory is nobody's then.
func makeElsewhere(tb testing.TB, path string, size int) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), plain(tb)[0])
	cmd.Env = append(os.Environ(), makePath+"="+path, fmt.Sprintf("FRAMEHUB_BENCH_SIZE=%d", size))
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
}

// childMaker is that process.
func childMaker(path string) int {
	tb := childTB{}
	s, err := store.Open(store.Options{Path: path, Schema: fmt.Sprintf(benchWorld, benchSize(tb, "")/benchRow), Log: quiet})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return 0
}

// watchMemory looks at what this process, and each child process of its, has resident, until
// peak is called, which returns the most of each in bytes. It looks at VmHWM, which the
// kernel keeps: what getrusage tells of children begins with what their parent had.
func watchMemory(tb testing.TB) (peak func() (own, child int64)) {
	tb.Helper()
	var most int64
	stop := watchChildren(5*time.Millisecond, func(pid int) {
		// Until it has become the program it has this process's memory.
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(line), backup.ChildCommand) {
			most = max(most, highWater(pid))
		}
	})
	return func() (int64, int64) {
		stop()
		return highWater(os.Getpid()), most
	}
}

// watchChildren has each child process of this one looked at, every so often, until stop is
// called.
func watchChildren(every time.Duration, look func(pid int)) (stop func()) {
	var watching sync.WaitGroup
	quit := make(chan struct{})
	watching.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				for _, pid := range children(os.Getpid()) {
					look(pid)
				}
			}
		}
	})
	return func() {
		close(quit)
		watching.Wait()
	}
}

// highWater returns the most bytes that a process has had resident; 0: it has ended.
func highWater(pid int) (kib int64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may have ended
	if _, rest, ok := strings.Cut(string(b), "VmHWM:"); ok {
		_, _ = fmt.Sscan(rest, &kib)
	}
	return kib << 10
}

package backup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framehub/backup"
)

// TestYield: all threads of the processes that pack and prove run only where nobody else
// wants a processor.
func TestYield(t *testing.T) {
	w := newWorld(t, 14)
	w.raced = true // for longer, so that it is seen
	w.frame()
	b, _ := w.backup(backup.Options{Patience: time.Second})
	most := 0
	stop := watchChildren(5*time.Millisecond, func(pid int) {
		if all, idle := threads(pid); all == idle {
			most = max(most, all)
		}
	})
	for range 5 {
		w.frame()
		w.merge()
		if o := w.copyNow(b); !o.Good {
			t.Errorf("%+v", o)
		}
	}
	stop()
	if most < 3 {
		t.Errorf("no child process of several threads had all of them yield (at most %d)", most)
	}
}

// TestPatience: where those that yield don't get on, they are run again without it.
func TestPatience(t *testing.T) {
	w := newWorld(t, 17)
	w.frame()
	b, _ := w.backup(backup.Options{Patience: time.Nanosecond})
	if o := w.copyNow(b); !o.Good {
		t.Errorf("%+v", o)
	}
}

// threads returns how many threads a process has, and how many of them yield.
func threads(pid int) (all, idle int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil { // it has ended
			continue
		}
		all++
		_, rest, _ := strings.Cut(string(b), ") ")
		if fields := strings.Fields(rest); len(fields) > 38 && fields[38] == fmt.Sprint(unix.SCHED_IDLE) { // the 41st of all, policy
			idle++
		}
	}
	return all, idle
}

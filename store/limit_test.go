package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"framehub/store"
)

// TestFileLimit lets the system itself refuse to write on, in the middle of a
// page, by a limit on the size of files.
func TestFileLimit(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"=limit", childPath+"="+t.TempDir()+"/world.db")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
}

// childLimit commits frames until a file may not grow, over and over, each time
// with a little more room.
func childLimit() int {
	signal.Ignore(syscall.SIGXFSZ)
	d := &testDB{TB: childTB{}, opts: killOptions(os.Getenv(childPath)), now: epochStart, seq: map[store.Device]uint64{}}
	d.open()
	check, err := store.NewCheckpointer(d.Store, d.now)
	if err != nil {
		d.Fatal(err)
	}
	p := &propertyRun{testDB: d, random: random{rand.New(rand.NewPCG(1, 6))}}
	r := runOf(p)
	for i := range 6 {
		limit(uint64(50_000*(i+1) + 1111*i))
		for failed := r.failed; r.failed == failed; {
			r.frame()
			if r.random.random.IntN(4) == 0 {
				check.Look(r.now.Add(time.Duration(len(r.told)) * time.Hour))
			}
		}
		limit(^uint64(0))
		for !r.recover() {
		}
		r.frame()
		r.merge()
		r.model.check(fmt.Sprint("limit ", i))
	}
	_, _ = fmt.Fprintln(os.Stdout, len(r.told), "versions,", r.failed, "failures")
	if err := check.Close(); err != nil {
		d.Fatal(err)
	}
	return 0
}

func limit(bytes uint64) {
	var now syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now)
	if err == nil {
		now.Cur = min(bytes, now.Max)
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now)
	}
	if err != nil {
		panic(err)
	}
}

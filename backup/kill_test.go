package backup_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"framehub/backup"
	"framehub/backup/place"
	"framehub/store"
	"framehub/store/storetest"
)

// In the environment of a child: the folder of the hub that it is to be, what is random,
// what is full now and then, and how large the files of its own child processes may be.
const (
	hubPath  = "FRAMEHUB_BACKUP_TEST_HUB"
	hubSeed  = "FRAMEHUB_BACKUP_TEST_SEED"
	hubFull  = "FRAMEHUB_BACKUP_TEST_FULL"
	hubLimit = "FRAMEHUB_BACKUP_TEST_LIMIT"
)

// TestKill kills a hub that commits, ships and makes copies, with SIGKILL at a random
// moment, over and over, or only the child process of its worker. By turns the disks are
// full now and then: that of the backups; that of the worker's child process; that of the
// database, the frame log, or the copy that is made. What was shipped must be there, and
// each restore must give the very version, or refuse.
func TestKill(t *testing.T) { testKill(t, 10, 0) }

// TestSoakKill does so 200 times at least, and for FRAMEHUB_SOAK.
func TestSoakKill(t *testing.T) { testKill(t, 200, soakTime(t)) }

// soakTime returns for how long a soak test is to run.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("FRAMEHUB_SOAK")
	if text == "" {
		t.Skip("set FRAMEHUB_SOAK=10m (or run make soak)")
	}
	lasting, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal("FRAMEHUB_SOAK:", err)
	}
	return lasting
}

// TestMVSQLiteKill does the same on a simulation of mvSQLite.
func TestMVSQLiteKill(t *testing.T) {
	storetest.OpenMvsim(t, "world", "world.frames")
	testKill(t, 5, 0)
}

// TestSoakMVSQLiteKill does so for FRAMEHUB_SOAK.
func TestSoakMVSQLiteKill(t *testing.T) {
	storetest.OpenMvsim(t, "world", "world.frames")
	testKill(t, 0, soakTime(t))
}

func testKill(t *testing.T, rounds int, lasting time.Duration) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("FRAMEHUB_SEED"), 10, 64); err == nil {
		seed = s
	}
	plain(t) // here, once: a hub that is killed would build one of its own, and leave it
	dir := t.TempDir()
	k := &killRun{T: t, dir: dir, place: folderAt(t, filepath.Join(dir, "backups")), rng: rand.New(rand.NewPCG(seed, 1)), truth: map[uint64]string{}, seen: map[uint64]string{}, full: map[string]int{"backups": 0, "child": 0}}
	if !onMvsim() { // where no file is the hub's own
		storetest.CompileFaults(t)
		k.full["world.db"], k.full["world.frames"], k.full["scratch"] = 0, 0, 0
	}
	until := time.Now().Add(lasting)
	n := 0
	for ; n < rounds || time.Now().Before(until); n++ {
		if k.round(n); t.Failed() {
			t.Fatalf("round %d: run again with FRAMEHUB_SEED=%d (%s)", n, seed, dir)
		}
	}
	t.Logf("killed %d times, and %d times the worker's child process alone, %d versions; %d restores, %d refused", n, k.children, len(k.truth), k.restores, k.refused)
	t.Logf("writes that failed, for the disk was full: %v", k.full)
	if k.restores < n || k.refused > k.restores/2 {
		t.Error("there were too few restores, or most of them were refused")
	}
	for file, times := range k.full {
		if times == 0 && n >= 50 {
			t.Errorf("no write failed, for lack of room: %s", file)
		}
	}
}

type killRun struct {
	*testing.T
	dir   string
	place place.Place
	rng   *rand.Rand

	truth   map[uint64]string // what each version holds, as the hub told
	seen    map[uint64]string // the same of restored ones that it had not told when it was killed
	shipped uint64            // that it told
	full    map[string]int    // the same: writes that failed, by file

	took time.Duration // by the first copy, until it was proven: it tells how fast the machine is

	children, restores, refused int
}

func (k *killRun) round(n int) {
	k.Helper()
	k.hub(n)
	for v, hash := range k.seen {
		if want := k.truth[v]; want != "" {
			if want != hash {
				k.Errorf("version %d was restored as another", v)
			}
			delete(k.seen, v)
		}
	}
	c, err := backup.List(k.Context(), k.place)
	if err != nil {
		k.Fatal(err)
	}
	h := c.Histories[0]
	for _, f := range h.Copies {
		if f.Err != nil {
			k.Errorf("the copy of version %d looks whole: %v", f.Version, f.Err)
		}
	}
	all, err := backup.Verify(k.Context(), backup.VerifyOptions{Place: k.place, Scratch: k.TempDir()})
	if err != nil {
		k.Fatal(err)
	}
	for _, one := range all {
		if !one.Good {
			k.Errorf("%s looks whole: %s", one.Name, one.Error)
		}
	}
	if latest := k.restore("latest"); latest < k.shipped {
		k.Errorf("version %d was shipped, the latest that can be restored is %d", k.shipped, latest)
	}
	if first := h.Copies[0].Version; k.shipped > first {
		k.restore(fmt.Sprint(first + k.rng.Uint64N(k.shipped-first+1)))
	}
}

// restore restores, and returns which version; 0: it was refused.
func (k *killRun) restore(to string) uint64 {
	k.Helper()
	k.restores++
	r, err := restored(k, k.place, to)
	if err != nil {
		if !strings.Contains(err.Error(), "no copy leads to") {
			k.Errorf("restore %s: %v", to, err)
		}
		k.refused++
		return 0
	}
	hash := hashOf(k, r.Contents)
	switch want := k.truth[r.Version]; {
	case want == "":
		k.seen[r.Version] = hash
	case want != hash:
		k.Errorf("version %d was restored from the copy of %d as another", r.Version, r.Copy)
	}
	return r.Version
}

func hashOf(tb testing.TB, c *store.Contents) string {
	tb.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// hub runs a hub until it is killed.
func (k *killRun) hub(n int) {
	k.Helper()
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), hubPath+"="+k.dir, fmt.Sprintf("%s=%d", hubSeed, k.rng.Uint64()))
	full := n % fullKinds
	if full == fullDisk && onMvsim() { // where no file is the hub's own
		full = fullNothing
	}
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", hubFull, full))
	if full == fullChild {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", hubLimit, 1000+k.rng.IntN(100_000)))
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.Fatal(err)
	}
	ended := make(chan struct{})
	var killer sync.WaitGroup
	after := 50*time.Millisecond + time.Duration(k.rng.Float64()*1.5*float64(k.took))
	early := time.Duration(k.rng.Float64() * float64(k.took))
	if full == fullChild { // whose disk is full, and not its life over, before a copy is done
		after, early = after+k.took, time.Hour
	}
	killer.Go(func() {
		if k.took == 0 {
			k.awaitCopy(ended)
		}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for end := time.After(after); ; {
			select {
			case <-tick.C:
				if early -= time.Millisecond; early < 0 { // the next one that there is
					if n := killChildren(cmd.Process.Pid); n > 0 {
						k.children, early = k.children+n, time.Hour
					}
				}
				continue
			case <-end:
			case <-ended:
			}
			_ = cmd.Process.Kill()
			return
		}
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var v uint64
		var hash, file string
		var times int
		if _, err := fmt.Sscanf(lines.Text(), "version %d %64s.", &v, &hash); err == nil {
			if was := k.truth[v]; was != "" && was != hash {
				k.Errorf("the hub says that version %d holds something else than before", v)
			}
			k.truth[v] = hash
		} else if _, err := fmt.Sscanf(lines.Text(), "shipped %d.", &v); err == nil {
			k.shipped = v
		} else if _, err := fmt.Sscanf(lines.Text(), "full %s %d.", &file, &times); err == nil {
			k.full[file] += times
		}
	}
	close(ended)
	killer.Wait()
	if err := cmd.Wait(); err == nil || complaint.Len() > 0 {
		k.Fatalf("the hub ended by itself: %v\n%s", err, complaint.String())
	}
}

// awaitCopy waits until a first copy is proven.
func (k *killRun) awaitCopy(ended <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; {
		c, err := backup.List(k.Context(), k.place)
		if err == nil && len(c.Histories) > 0 && len(c.Histories[0].Copies) > 0 && c.Histories[0].Copies[0].Good() {
			k.took = time.Since(began)
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}

// children returns the child processes of a process.
func children(pid int) (all []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var b []byte
	for _, f := range files {
		more, _ := os.ReadFile(f) // the thread may have ended
		b = append(append(b, ' '), more...)
	}
	for text := range strings.FieldsSeq(string(b)) {
		if child, err := strconv.Atoi(text); err == nil {
			all = append(all, child)
		}
	}
	return all
}

// killChildren kills the child processes of a process, and says how many there were.
func killChildren(pid int) (n int) {
	for _, child := range children(pid) {
		if syscall.Kill(child, syscall.SIGKILL) == nil {
			n++
		}
	}
	return n
}

// childTB is what helpers need of a test in a process without one.
type childTB struct{ testing.TB }

func (childTB) Helper() {}

func (childTB) Cleanup(func()) {}

func (childTB) Fatal(args ...any) {
	_, _ = fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

func (c childTB) Fatalf(format string, args ...any) { c.Fatal(fmt.Sprintf(format, args...)) }

func (c childTB) Error(args ...any) { c.Fatal(args...) }

// childHub commits frames until it is killed, and tells what each version holds, and up to
// where entries were shipped.
func childHub(dir string) int {
	seed, err := strconv.ParseUint(os.Getenv(hubSeed), 10, 64)
	if err != nil {
		return 64
	}
	tb := childTB{}
	w := &world{TB: tb, dir: dir, place: folderAt(tb, filepath.Join(dir, "backups")), rng: rand.New(rand.NewPCG(seed, 2)), now: time.Now(), truth: map[uint64]*store.Contents{}}
	o := backup.Options{Place: w.place, Every: 50 * time.Millisecond, ShipEvery: 10 * time.Millisecond, Keep: backup.Keep{Last: 50, Log: time.Hour}}
	frame := w.frame
	random := rand.New(rand.NewPCG(seed, 3))
	switch os.Getenv(hubFull) {
	case fmt.Sprint(fullPlace):
		o.Place = &crampedPlace{Place: w.place, dir: filepath.Join(dir, "backups"), rng: random}
	case fmt.Sprint(fullChild):
		o.Done = func(o backup.Outcome) {
			if strings.Contains(o.Error, syscall.EFBIG.Error()) {
				tellFull("child", 1)
			}
		}
	case fmt.Sprint(fullDisk):
		d := &crampedDisk{Faults: storetest.OpenFaults(tb), rng: random} // before the files are opened
		frame = func() { d.frame(w) }
	}
	w.open(w.options())
	b, _ := w.backup(o)
	shipped := uint64(0)
	for {
		v := w.note()
		_, _ = fmt.Fprintf(os.Stdout, "version %d %s.\n", v, hashOf(tb, w.truth[v]))
		if s := b.State().Shipped; s > shipped {
			shipped = s
			_, _ = fmt.Fprintf(os.Stdout, "shipped %d.\n", s)
		}
		frame()
	}
}

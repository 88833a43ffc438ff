package backup_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/dustin/go-humanize"

	"framehub/backup"
)

// A benchWorld is as large as FRAMEHUB_BENCH_SIZE says, 1GiB by default.
const benchWorld = `CREATE TABLE entity(id INTEGER PRIMARY KEY, x REAL, y REAL, zone INTEGER, note TEXT) STRICT;
	WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
	INSERT INTO entity SELECT i, i * 1.5, i * 2.5, i %% 1000, hex(randomblob(40 + i %% 20)) FROM c;
	CREATE INDEX entity_by_zone ON entity(zone);`

const benchRow = 155 // bytes of a row in the file, about

func benchSize(tb testing.TB, otherwise string) int {
	tb.Helper()
	text := os.Getenv("FRAMEHUB_BENCH_SIZE")
	if text == "" {
		text = otherwise
	}
	n, err := humanize.ParseBytes(text)
	if err != nil {
		tb.Fatal("FRAMEHUB_BENCH_SIZE:", err)
	}
	return int(n)
}

func benchSeconds(otherwise int) time.Duration {
	if n, err := strconv.Atoi(os.Getenv("FRAMEHUB_BENCH_SECONDS")); err == nil {
		otherwise = n
	}
	return time.Duration(otherwise) * time.Second
}

// BenchmarkBackupUnderLoad backs up a database of FRAMEHUB_BENCH_SIZE (1GiB) while 16 devices
// write 6,400 rows a second at 60 frames a second. It tells the 99th percentile of a
// frame's time before, during and after, and in each phase of the copy, as multiples of a
// frame's 16.7 ms, and by how much it grew. FRAMEHUB_BENCH_SECONDS is how long before and
// after are; default 20.
func BenchmarkBackupUnderLoad(b *testing.B) {
	const frame = float64(time.Second / 60)
	for b.Loop() {
		w := newLivingWorld(b, benchSize(b, "1GiB"))
		worker, stop := w.worker()
		w.phase(2 * time.Second) // until all are there
		before := w.phase(benchSeconds(20))
		start := time.Now()
		o, during, lasted := w.phases(worker)
		took := time.Since(start)
		after := w.phase(benchSeconds(20))
		stop()
		if n := w.hub.SessionCount(); n != benchDevices {
			b.Errorf("%d of %d sessions are left", n, benchDevices)
		}
		w.stop()
		b.ReportMetric(float64(before)/frame, "of-frame-before-p99")
		for phase, d := range during {
			b.ReportMetric(float64(d)/frame, "of-frame-"+cmp.Or(phase, "during")+"-p99")
		}
		for phase, d := range lasted {
			b.ReportMetric(d.Seconds(), phase+"-s")
		}
		b.ReportMetric(float64(after)/frame, "of-frame-after-p99")
		b.ReportMetric(float64(during[""]-before)/frame, "of-frame-growth")
		b.ReportMetric(float64(w.wal)/1e6, "wal-MB")
		b.ReportMetric(float64(o.RawSize)/1e6/took.Seconds(), "MB/s")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBackupSpeed copies a quiet database of FRAMEHUB_BENCH_SIZE (1GiB) and packs it,
// beside `cp` and `zstd -3` of the same file; the ratio is of their speeds. It tells also how
// long the proof took, and the most memory that this process and a child process of its had
// resident, in MB.
func BenchmarkBackupSpeed(b *testing.B) {
	if _, err := exec.LookPath("zstd"); err != nil {
		b.Skip("there is no zstd")
	}
	size := benchSize(b, "1GiB")
	for b.Loop() {
		w := newWorld(b, 1)
		w.close()
		w.dir = b.TempDir()
		o := w.options()
		makeElsewhere(b, o.Path, size)
		w.open(o)
		peak := watchMemory(b)
		worker, stop := w.backup(backup.Options{})
		for asked := worker.Ask("a benchmark"); worker.State().Answer < asked; {
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // the benchmark is the clock
		}
		stop()
		own, child := peak()
		out := worker.State().LastGood
		if out == nil {
			b.Fatalf("%+v", worker.State().Last)
		}
		c, err := backup.List(b.Context(), w.place)
		if err != nil {
			b.Fatal(err)
		}
		proof := time.Duration(c.Histories[0].Copies[0].Manifest.Proof.Millis) * time.Millisecond
		ours := time.Duration(out.Millis)*time.Millisecond - proof
		w.close() // which brings all of it into the file
		theirs := timeOf(b, "cp", o.Path, filepath.Join(w.dir, "cp.db")) + timeOf(b, "zstd", "-3", "-q", "-f", filepath.Join(w.dir, "cp.db"), "-o", filepath.Join(w.dir, "cp.zst"))
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
		b.ReportMetric(float64(out.RawSize)/1e6/ours.Seconds(), "MB/s")
		b.ReportMetric(float64(out.RawSize)/1e6/proof.Seconds(), "proof-MB/s")
		b.ReportMetric(float64(own)/1e6, "hub-MB")
		b.ReportMetric(float64(child)/1e6, "child-MB")
		b.ReportMetric(float64(out.Size)/float64(out.RawSize), "packed")
		runtime.GC()
	}
	b.ReportMetric(0, "ns/op")
}

func timeOf(tb testing.TB, name string, args ...string) time.Duration {
	tb.Helper()
	start := time.Now()
	if out, err := exec.CommandContext(tb.Context(), name, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
	return time.Since(start)
}

// TestBackupUnderLoad: while 64 MiB are backed up, no session ends, and what was copied while
// devices wrote is what it should be.
func TestBackupUnderLoad(t *testing.T) {
	w := newLivingWorld(t, benchSize(t, "64MiB"))
	worker, stop := w.worker()
	o := w.copyNow(worker)
	if o.RawSize < 32<<20 {
		t.Errorf("the database has %d bytes only", o.RawSize)
	}
	at := w.store.Version()
	if second := w.copyNow(worker); second.Version <= o.Version || w.store.Version() <= at {
		t.Errorf("no frames went on: versions %d and %d, then %d", o.Version, second.Version, w.store.Version())
	}
	stop()
	if n := w.hub.SessionCount(); n != benchDevices {
		t.Errorf("%d of %d sessions are left", n, benchDevices)
	}
	w.stop()
}

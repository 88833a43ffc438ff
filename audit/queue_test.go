package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"framehub/audit"
	"framehub/audit/audittest"
)

func TestQueueKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out audittest.Output
		q := audit.NewQueue(&out)
		var want strings.Builder
		for i := range 10_000 {
			line := fmt.Sprintf("line %d\n", i)
			want.WriteString(line)
			if n, err := io.WriteString(q, line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		if !q.Close() || out.String() != want.String() {
			t.Errorf("%d bytes were written of %d", len(out.String()), want.Len())
		}
	})
}

// A stuck is a writer that takes nothing until it is told to.
type stuck struct {
	free chan struct{}
	out  audittest.Output
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.free
	return s.out.Write(p)
}

// TestQueueOfStuckWriter: who logs goes on, what is kept is bounded, and what is
// left out is told at its place once the writer takes lines again.
func TestQueueOfStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		q := audit.NewQueue(w)
		line := bytes.Repeat([]byte("x"), 1023)
		line = append(line, '\n')
		_, _ = q.Write(line)
		synctest.Wait() // the first is on its way
		for range 1024 + 500 {
			_, _ = q.Write(line)
		}
		close(w.free)
		synctest.Wait()
		_, _ = io.WriteString(q, "the end\n")
		if !q.Close() {
			t.Fatal("it does not close")
		}
		lines := strings.Split(strings.TrimSpace(w.out.String()), "\n")
		if n := len(lines); n != 1+1024+2 || !strings.HasSuffix(lines[n-2], "left_out=500") || lines[n-1] != "the end" {
			t.Errorf("%d lines, the last are %.100q", n, lines[max(0, n-2):])
		}
	})
}

func TestQueueClosesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		q := audit.NewQueue(w)
		_, _ = io.WriteString(q, "a line\n")
		start := time.Now()
		if q.Close() || time.Since(start) > 3*time.Second {
			t.Errorf("it closed after %v", time.Since(start))
		}
		close(w.free) // the bubble waits for its goroutines
	})
}

// A failing writer takes nothing for ever, and says so.
type failing struct{ n int }

func (f *failing) Write([]byte) (int, error) {
	f.n++
	return 0, errors.New("no space left")
}

func TestQueueOfFailingWriter(t *testing.T) {
	var w failing
	q := audit.NewQueue(&w)
	_, err := io.WriteString(q, "a line\n")
	if err != nil || !q.Close() || w.n != 1 {
		t.Errorf("%v, written %d times", err, w.n)
	}
}

package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A Worker backs a store up. Its methods may be called at the same time, but for Run.
type Worker struct {
	src  Source
	o    Options
	run  runner
	ship shipper

	ask  chan string    // why a copy is wanted
	look chan *CopyFile // that is to be looked at

	mu       sync.Mutex // guards the following
	begun    bool       // what the place has was read
	state    State
	lastGood *CopyFile // of this history
	wanted   uint64    // a copy of this version or a later one is needed
	wantWhy  string
	ended    time.Time // when the last one ended
}

// Ask asks for a copy now, and says how many were asked for so far: when State.Answer is
// that many, it is done. While one is made, the next is made after it.
func (w *Worker) Ask(why string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Asked++
	select {
	case w.ask <- why:
	default: // one is about to be made, for whoever asked before
	}
	return w.state.Asked
}

// State returns what the worker does now.
func (w *Worker) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Now = time.Now()
	return s
}

func (w *Worker) update(f func(*State)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.state)
}

// Run makes copies and ships entries until ctx ends, and waits for what it started. What
// fails is logged, and tried again.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.sweep(); err != nil {
		w.o.Log.Error("empty the backups' scratch folder", "err", err)
	}
	if !w.beginAtLast(ctx) {
		return nil
	}
	var running sync.WaitGroup
	running.Go(func() { w.ship.run(ctx) })
	running.Go(func() { w.looks(ctx) })
	w.copies(ctx)
	running.Wait()
	return w.sweep()
}

// beginAtLast tries until the place can be read; false: ctx has ended before.
func (w *Worker) beginAtLast(ctx context.Context) bool {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := w.begin(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		w.failed(err)
		if !wait(ctx, pause) {
			return false
		}
	}
}

// Flush ships what there is. It is for after Run and the frames have ended, also when Run
// ended before it had read the place: a hub may commit and end within that time.
func (w *Worker) Flush(ctx context.Context) error {
	if w.o.ShipEvery == 0 {
		return nil
	}
	w.mu.Lock()
	begun := w.begun
	w.mu.Unlock()
	if !begun {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	return w.ship.once(ctx)
}

// failed tells of trouble with the place before there is a copy to blame.
func (w *Worker) failed(err error) {
	w.update(func(s *State) { s.ShipTrouble = err.Error() })
	w.o.Log.Error("the place of the backups can't be used: nothing is backed up", "place", w.o.Place.String(), "err", err)
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// sweep empties the scratch folder.
func (w *Worker) sweep() error { return os.RemoveAll(w.o.Scratch) }

// ErrForked is a place that has a later, or another, past of the same history: the
// database was put back to an older state, not by a restore.
var ErrForked = errors.New("the place has another past of this database: it was put back to an older state, and not by framehub restore")

// begin reads what the place has of this history.
func (w *Worker) begin(ctx context.Context) error {
	name := historyName(w.src.ID(), w.src.Epoch())
	c, err := list(ctx, w.o.Place, name+"/")
	if err != nil {
		return err
	}
	h := &History{Name: name}
	if len(c.Histories) > 0 {
		h = c.Histories[0]
	}
	if end, is := h.end(), w.src.Version(); end > is {
		return fmt.Errorf("%w (it ends at version %d, the place at %d): restore it from there, or use another --backup-dir", ErrForked, is, end)
	}
	w.mu.Lock()
	for _, f := range h.Copies {
		if f.Good() && f.Err == nil {
			w.lastGood = f
			w.state.LastGood = outcomeOf(f.Manifest)
		}
	}
	w.state.ShipTrouble = ""
	w.mu.Unlock()
	if err := w.ship.begin(ctx, h); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = true
	return nil
}

func outcomeOf(m *Manifest) *Outcome {
	return &Outcome{Version: m.Version, Began: m.Made, Size: m.Data.Size, RawSize: m.Raw.Size, Good: m.Good()}
}

// retry is how long a copy that failed waits for the next try, at most.
const retry = 5 * time.Minute

// copies makes copies, one at a time, until ctx ends.
func (w *Worker) copies(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	next := w.due(time.Now(), true)
	done := make(chan struct{}, 1)
	running, why, asked := false, "", uint64(0)
	var pinned *staged
	for {
		w.update(func(s *State) { s.Next = next })
		select {
		case <-ctx.Done():
			if running {
				<-done
			}
			return
		case <-tick.C:
			if st := w.pinned(ctx); st != nil {
				pinned = st
			}
			if why != "" || running || pinned != nil {
				break // what was asked for comes first, and one that is under way, or staged, may be what is due
			}
			if why = w.needed(); why == "" && !next.IsZero() && !time.Now().Before(next) {
				why = "due"
			}
		case text := <-w.ask:
			why = text
			w.update(func(s *State) { asked = s.Asked })
		case <-done:
			running = false
			next = w.due(time.Now(), false)
		}
		if running || why == "" && pinned == nil {
			continue
		}
		running = true
		go func(st *staged, why string, asked uint64) {
			defer func() { done <- struct{}{} }()
			w.one(ctx, st, why)
			if st == nil {
				w.update(func(s *State) { s.Answer = max(s.Answer, asked) })
			}
		}(pinned, why, asked)
		if pinned == nil {
			why = ""
		}
		pinned = nil
	}
}

// pinned copies the first version of a new schema to the local disk, if there is one that
// no copy is of.
func (w *Worker) pinned(ctx context.Context) *staged {
	sn := w.src.TakePinned()
	if sn == nil {
		return nil
	}
	if w.have(sn.Version) {
		_ = sn.Close() // nothing was read
		return nil
	}
	var st *staged
	err := w.watched(ctx, func(ctx context.Context) (err error) {
		st, err = w.stage(ctx, sn, "pinned.db", newSchema)
		return err
	})
	if err != nil {
		w.o.Log.Error("copy the first version of a new schema", "err", err)
		return nil
	}
	return st
}

// due returns when the next copy is to be made.
func (w *Worker) due(now time.Time, start bool) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch last := w.state.Last; {
	case w.o.Every == 0:
		return time.Time{}
	case last != nil && last.Error != "":
		return now.Add(min(retry, w.o.Every))
	case !start:
		return now.Add(w.o.Every)
	case w.lastGood == nil:
		return now
	default:
		return w.lastGood.Manifest.Made.Add(w.o.Every)
	}
}

const newSchema = "new schema"

// need says that a copy of a version or a later one is needed, for segments do not lead
// there, and why.
func (w *Worker) need(version uint64, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if version > w.wanted {
		w.wanted, w.wantWhy = version, why
	}
}

// needed says why a copy is needed at once; "": none is. One that failed is left to its next
// try.
func (w *Worker) needed() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.state.Last != nil && w.state.Last.Error != "" && time.Since(w.ended) < retry:
		return ""
	case w.wanted > 0 && (w.lastGood == nil || w.lastGood.Version < w.wanted):
		return w.wantWhy
	default:
		return ""
	}
}

// one makes a copy, tells what became of it, and prunes.
func (w *Worker) one(ctx context.Context, st *staged, why string) {
	o := Outcome{Why: why, Began: time.Now()}
	if st != nil {
		if o.Why = st.why; w.have(st.version) { // one was under way when it was staged
			st.remove()
			return
		}
	}
	w.update(func(s *State) { s.Running = true })
	var m *Manifest
	err := w.watched(ctx, func(ctx context.Context) (err error) {
		m, err = w.make(ctx, st, &o)
		return err
	})
	o.Millis = time.Since(o.Began).Milliseconds()
	if ctx.Err() != nil {
		w.update(func(s *State) { s.Running, s.Phase = false, "" })
		return
	}
	if err != nil {
		o.Error = err.Error()
	}
	w.mu.Lock()
	if o.Good && !o.Skipped {
		w.lastGood = &CopyFile{Name: manifestName(m.history(), m.Version), Version: m.Version, Manifest: m, Size: m.Data.Size}
		w.state.LastGood = &o
		w.state.Count++
	}
	if o.Error != "" {
		w.state.Failures++
	}
	w.state.Last, w.state.Running, w.state.Phase, w.ended = &o, false, "", time.Now()
	w.mu.Unlock()
	w.tell(&o)
	if !o.Good || o.Skipped {
		return
	}
	if gone, err := Prune(ctx, w.o.Place, w.src.ID(), w.o.Keep, time.Now(), false); err != nil && ctx.Err() == nil {
		w.o.Log.Error("remove old backups", "err", err)
	} else if len(gone) > 0 {
		w.o.Log.Info("old backups are removed", "files", len(gone))
	}
}

func (w *Worker) tell(o *Outcome) {
	switch {
	case o.Error != "":
		w.o.Log.Error("the backup failed", "version", o.Version, "why", o.Why, "err", o.Error)
	case o.Skipped:
		w.o.Log.Info("no backup: nothing has changed since the last good one", "version", o.Version, "why", o.Why)
	default:
		w.o.Log.Info("a backup is made and proven", "version", o.Version, "why", o.Why, "bytes", o.Size, "took_ms", o.Millis)
	}
	w.o.Done(*o)
}

// scratch returns the path of a file in the scratch folder.
func (w *Worker) scratch(name string) (string, error) {
	return filepath.Join(w.o.Scratch, name), os.MkdirAll(w.o.Scratch, 0o700)
}

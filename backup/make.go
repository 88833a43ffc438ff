package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fxamacker/cbor/v2"

	"framehub/store"
)

// staged is a copy on the local disk.
type staged struct {
	path    string
	why     string
	version uint64
	size    int64
	at      time.Time
	doc     []byte
	made    time.Time
	finish  *finishJob // what is still to be done with it; nil: nothing
}

// stage copies a snapshot to the local disk, which ends it.
func (w *Worker) stage(ctx context.Context, sn *store.Snapshot, name, why string) (*staged, error) {
	path, err := w.scratch(name)
	if err != nil {
		return nil, errors.Join(err, sn.Close())
	}
	_ = os.Remove(path)
	if err := w.fits(sn); err != nil {
		return nil, errors.Join(err, sn.Close())
	}
	st := &staged{path: path, why: why, version: sn.Version, size: sn.Size, at: sn.Time, doc: sn.SchemaDoc(), made: time.Now().UTC()}
	if sn.Source() != "" {
		return st, w.dump(ctx, sn, st)
	}
	err = sn.Copy(ctx, path, func(done, total int) {
		w.update(func(s *State) { s.Phase, s.Done, s.Total = "copying", int64(done), int64(total) })
	})
	return st, err
}

// dump has a child process copy a snapshot on mvSQLite to the local disk. That is finished
// later, by one without mvSQLite's library, with the entries that it needs.
func (w *Worker) dump(ctx context.Context, sn *store.Snapshot, st *staged) error {
	st.finish = &finishJob{Schema: st.doc, Version: st.version, First: sn.Unsettled(), Entries: st.path + ".entries"}
	w.update(func(s *State) { s.Phase, s.Done, s.Total = "copying", 0, 0 })
	if err := w.writeEntries(st.finish); err != nil {
		return err
	}
	_, err := w.run.run(ctx, &job{Dump: &dumpJob{Source: sn.Source(), VFS: w.o.VFS, To: st.path}}, nil)
	return err
}

func (w *Worker) writeEntries(j *finishJob) (err error) {
	f, err := os.Create(j.Entries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := bufio.NewWriter(f)
	out := cbor.NewEncoder(b)
	for v := j.First; v <= j.Version; v++ {
		entry, err := w.src.EntryBytes(v)
		if err == nil {
			err = out.Encode(entry)
		}
		if err != nil {
			return err
		}
	}
	return b.Flush()
}

// remove removes what was staged.
func (st *staged) remove() {
	_ = os.Remove(st.path)
	if st.finish != nil {
		_ = os.Remove(st.finish.Entries)
	}
}

// make makes a copy, of what was staged or of what there is now.
func (w *Worker) make(ctx context.Context, st *staged, o *Outcome) (*Manifest, error) {
	if st == nil {
		sn, err := w.src.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		if o.Version = sn.Version; w.have(sn.Version) {
			w.skip(o)
			return nil, sn.Close()
		}
		if st, err = w.stage(ctx, sn, "copy.db", o.Why); err != nil {
			return nil, fmt.Errorf("copy the database: %w", err)
		}
	}
	w.ship.from(st.version) // also where what follows fails
	o.Version = st.version
	defer st.remove()
	m, err := w.pack(ctx, st)
	if err != nil {
		return nil, err
	}
	o.Size, o.RawSize = m.Data.Size, m.Raw.Size
	return m, w.prove(ctx, m, st.path, o)
}

// have says whether there is a good copy of the version, or of a later one.
func (w *Worker) have(version uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lastGood != nil && w.lastGood.Version >= version
}

// skip tells of the good copy that there is already.
func (w *Worker) skip(o *Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.lastGood.Manifest
	o.Skipped, o.Good, o.Size, o.RawSize = true, true, m.Data.Size, m.Raw.Size
}

// pack packs what was staged, and brings it to its place.
func (w *Worker) pack(ctx context.Context, st *staged) (*Manifest, error) {
	w.update(func(s *State) { s.Phase, s.Done, s.Total = "packing", 0, 0 })
	out, err := w.scratch("packed")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(out) }()
	j := &job{Pack: &packJob{From: st.path, To: out, Recipients: w.o.Recipients, Finish: st.finish}}
	var a *answer
	if st.finish == nil {
		a, err = w.run.runIdle(ctx, j, st.size)
	} else { // which can't be begun again
		a, err = w.run.run(ctx, j, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("pack the copy: %w", err)
	}
	encrypted := len(w.o.Recipients) > 0
	m := &Manifest{
		Format: Format, ID: w.src.ID(), Epoch: w.src.Epoch(), Version: st.version, Time: st.at, Made: st.made, Program: w.o.Program,
		Raw: a.Packed.Raw, Schema: st.doc, Contents: a.Packed.Contents, OnlyCopy: onlyCopy,
	}
	m.Data = Data{Sum: a.Packed.Data, Name: dataName(m.history(), m.Version, encrypted)}
	if encrypted {
		m.Data.Encryption = "age"
	} else {
		_ = os.Remove(st.path) // the proof reads the place
	}
	w.update(func(s *State) { s.Phase = "writing" })
	if err := w.o.Place.Put(ctx, m.Data.Name, out); err != nil {
		return nil, fmt.Errorf("write the copy to its place: %w", err)
	}
	if err := m.write(ctx, w.o.Place); err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	return m, nil
}

// prove has a child process look at the copy, and writes down what it says.
func (w *Worker) prove(ctx context.Context, m *Manifest, plain string, o *Outcome) error {
	w.update(func(s *State) { s.Phase = "proving" })
	scratch, err := w.scratch("prove")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // a child process that was killed leaves what it has unpacked
	j := &proveJob{Place: w.o.Place.String(), Manifest: manifestName(m.history(), m.Version), Scratch: scratch}
	w.mu.Lock()
	if w.lastGood != nil && m.Data.Encryption == "" && w.lastGood.Manifest.Data.Encryption == "" {
		j.Before = w.lastGood.Name
	}
	w.mu.Unlock()
	if m.Data.Encryption != "" {
		j.Plain = plain
	}
	if j.Before != "" && w.o.ShipEvery > 0 {
		w.ship.now(ctx, m.Version) // what leads here from the copy before
	}
	began := time.Now()
	a, err := w.run.runIdle(ctx, &job{Prove: j}, m.Raw.Size)
	if err != nil && !errors.Is(err, errNotGood) {
		return fmt.Errorf("the copy of version %d is made and could not be proven: %w", m.Version, err)
	}
	m.Proof = &Proof{Time: time.Now().UTC(), OK: err == nil, Millis: time.Since(began).Milliseconds()}
	if err != nil {
		m.Proof.Error = err.Error()
	} else {
		m.Proof.Restored, m.Proof.Apart = a.Proved.From, a.Proved.Apart
	}
	if e := m.write(ctx, w.o.Place); e != nil {
		return errors.Join(err, fmt.Errorf("write the manifest: %w", e))
	}
	o.Good = err == nil
	return err
}

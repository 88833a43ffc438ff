package store

import (
	"errors"
	"fmt"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// A Frame is the transactions that become one version. It belongs to the frame
// loop, and there is one at a time: Begin, Apply for each transaction, Commit.
//
// An error, as opposed to a refusal, means that the store can't go on: the frame
// is lost, none of it has happened, unless [Store.Recover] says otherwise, which
// must be called until it returns no error.
type Frame struct {
	s        *Store
	seq      uint64 // tells frames apart
	entry    *Entry
	accepted []acceptedWrite
	owners   map[Device]string // those of entry.Owners
	size     int               // bytes that the accepted transactions changed, about
	guard    Guard             // of the transaction that runs; nil: none
	failed   error             // what the guard ran into
	inMemory bool              // the transaction that runs does so in memory
}

type acceptedWrite struct {
	device Device
	write  *wire.Write
	own    bool // the hub's

	statement *Statement // instead of write
	result    *Result    // of it
}

// ErrBusy is another program holding the game database's write lock. The frame
// did not begin; nothing is lost, and the next try may do.
var ErrBusy = errors.New("another program holds the game database's write lock")

// ErrSchemaChanged is another program having changed the schema of the game
// database since it was read: see [Store.Reshape].
var ErrSchemaChanged = errors.New("another program has changed the schema of the game database")

var errClosed = errors.New("the store is closed")

// rerunTime is how long a statement may run that has run before.
const rerunTime = 10 * time.Second

var (
	errOvertaken = errors.New("another program wrote to the game database while a trigger's RAISE(ROLLBACK) was undone")
	errBroken    = errors.New("the store has failed and has not been recovered")
	errUnderWay  = errors.New("a frame is under way")
	errOver      = errors.New("the frame is over")
)

// Begin begins a frame, with what other programs have written since the last one.
// [ErrSchemaChanged]: they have changed the schema, or more rows than a frame holds,
// which [Store.Reshape] takes up.
func (s *Store) Begin() (*Frame, error) {
	switch {
	case s.w == nil:
		return nil, errClosed
	case s.broken:
		return nil, errBroken
	case s.frame != nil:
		return nil, errUnderWay
	case s.capture == nil || s.reshape != nil: // a Reshape has failed half way
		return nil, ErrSchemaChanged
	}
	s.cost.resume()
	if s.opts.MVSQLite {
		if err := s.catchBreath(); err != nil {
			return nil, err
		}
	}
	if err := s.beginTx(); err != nil {
		return nil, err
	}
	if err := s.age(); err != nil {
		s.broken = true
		return nil, explain(s.opts.Path, err)
	}
	s.begun++
	f := &Frame{s: s, seq: s.begun, entry: &Entry{Schema: s.Schema(), hints: s.hints}}
	if err := f.takeUp(); err != nil {
		s.broken = !errors.Is(err, ErrSchemaChanged)
		return nil, explain(s.opts.Path, err)
	}
	s.frame = f
	return f, nil
}

// Apply runs a transaction on top of those before it, as far as the guard lets
// it; nil: it is let. What is refused leaves nothing behind. One with the number 0
// settles none.
func (f *Frame) Apply(d Device, w *wire.Write, g Guard) (*wire.Refusal, error) {
	return f.transact(d, w, false, g)
}

func (f *Frame) transact(d Device, w *wire.Write, own bool, g Guard) (*wire.Refusal, error) {
	if err := f.usable(); err != nil {
		return nil, err
	}
	f.guard = g
	start := time.Now()
	refusal, err := f.apply(d, w, own)
	f.s.stats.CheckNanos.Add(uint64(time.Since(start)))
	if err != nil {
		f.s.broken = true
	}
	return refusal, explain(f.s.opts.Path, err)
}

func (f *Frame) usable() error {
	switch {
	case f.s.broken:
		return errBroken
	case f.s.frame != f:
		return errOver
	default:
		return nil
	}
}

func (f *Frame) apply(d Device, w *wire.Write, own bool) (*wire.Refusal, error) {
	s := f.s
	ops, refusal := s.resolve(w, own)
	if refusal == nil {
		refusal = f.conflict(d, w, ops)
	}
	if refusal != nil {
		return refusal, nil
	}
	refusal, err := f.execute(d, w.Seq, ops)
	if refusal == nil && err == nil {
		f.accepted = append(f.accepted, acceptedWrite{device: d, write: w, own: own})
	}
	return refusal, err
}

// execute runs ops in memory where that is all they need, else in SQL.
func (f *Frame) execute(d Device, seq uint64, ops []resolvedOp) (*wire.Refusal, error) {
	if allPlain(ops) {
		ok, err := f.s.loadPlain(ops)
		if err != nil {
			return nil, err
		}
		if ok {
			return f.runPlain(d, seq, ops)
		}
	}
	if err := errors.Join(f.s.loadCounted(ops), f.s.flush()); err != nil {
		return nil, err
	}
	return f.finish(d, seq, func() (*wire.Refusal, error) { return f.runOps(ops) })
}

// finish runs SQL in a savepoint, and takes what it did into the entry.
func (f *Frame) finish(d Device, seq uint64, do func() (*wire.Refusal, error)) (*wire.Refusal, error) {
	refusal, err := f.run(do)
	switch {
	case err != nil && sqlite.CodeOf(err)&0xff == sqliteFull:
		return f.usedUp(err)
	case err != nil:
		return nil, err
	case refusal != nil && f.s.w.AutoCommit():
		return refusal, f.rerun() // a trigger's RAISE(ROLLBACK) took all that was open with it
	case refusal != nil:
		return refusal, nil
	default:
		return nil, f.fold(d, seq)
	}
}

// run runs SQL in a savepoint, which it undoes when it is refused.
func (f *Frame) run(do func() (*wire.Refusal, error)) (*wire.Refusal, error) {
	s := f.s
	mark := s.capture.Mark()
	if err := s.sql.savepoint.Run(); err != nil {
		return nil, err
	}
	refusal, err := do()
	if refusal == nil && err == nil {
		refusal, err = f.judge(mark)
	}
	if err != nil {
		return nil, err
	}
	if refusal == nil {
		return nil, s.sql.release.Run()
	}
	s.capture.Rewind(mark)
	if s.w.AutoCommit() {
		return refusal, nil
	}
	if err := s.sql.rollbackTo.Run(); err != nil {
		return nil, err
	}
	return refusal, s.sql.release.Run()
}

func (f *Frame) runOps(ops []resolvedOp) (*wire.Refusal, error) {
	for i := range ops {
		op := &ops[i]
		if refusal, err := f.checkSQL(i, op); refusal != nil || err != nil {
			return refusal, err
		}
		row, code, err := f.s.w.Write(op.kind, op.stmts, op.block, op.table.Key)
		if code == 0 {
			continue
		}
		if err != nil && !refuses(code) {
			return nil, fmt.Errorf("write to table %q: %w", op.table.Name, err)
		}
		refusal := op.refusal(row, code, err)
		refusal.Op, refusal.Row = i, row
		return refusal, nil
	}
	return nil, nil
}

// fold takes what the last transaction changed into the frame's entry.
func (f *Frame) fold(d Device, seq uint64) error {
	f.size += f.s.capture.Size(sqlite.Mark{})
	by := int32(len(f.entry.Writers))
	f.entry.Writers = append(f.entry.Writers, Writer{Device: d, Seq: seq})
	tables := f.s.Schema().Tables
	err := f.s.capture.Each(sqlite.Mark{}, func(ch *sqlite.Change) {
		f.s.open.rows++
		f.foldChange(tables[ch.Table], ch, by)
	})
	f.s.capture.Rewind(sqlite.Mark{})
	return err
}

func (f *Frame) foldChange(t *Table, ch *sqlite.Change, by int32) {
	if t.keyless(ch.Values) {
		return
	}
	c := f.entry.change(t)
	if t.plain != nil {
		f.foldPlain(c, ch, by)
		return
	}
	c.fold(ch, by)
}

// rerun brings back the open transaction after SQL has rolled it back: what the
// log has and the game database not, then this frame's accepted transactions. The
// guard has let those run on these very rows, and is not asked again; where another
// program has written in between, the frame fails.
func (f *Frame) rerun() error {
	s := f.s
	s.open, s.written = openTx{}, false
	s.rows.forget()
	s.capture.Rewind(sqlite.Mark{})
	if err := s.beginTx(); err != nil {
		return err
	}
	if s.written {
		return errOvertaken
	}
	if err := s.replay(s.merged.Load()+1, s.version.Load()); err != nil {
		return err
	}
	again := f.accepted
	f.guard = nil
	f.accepted, f.entry, f.size = nil, &Entry{Schema: f.entry.Schema, Owners: f.entry.Owners, hints: s.hints}, 0
	s.written = true
	if err := f.takeUp(); err != nil {
		return err
	}
	for _, a := range again {
		var refusal *wire.Refusal
		var err error
		if a.statement != nil {
			refusal, err = f.exec(&a, rerunTime)
		} else {
			refusal, err = f.apply(a.device, a.write, a.own)
		}
		if err != nil {
			return err
		}
		if refusal != nil {
			return fmt.Errorf("a transaction that was accepted is refused when it runs again: %w", refusal)
		}
	}
	return nil
}

// Own says that a device belongs to a user from this frame on, if it is nobody's
// yet, and returns whether it is theirs. Whose a device is never changes, until it
// is forgotten. A user without a name, "", takes none, and has those that are
// nobody's.
func (f *Frame) Own(d Device, user string) (theirs bool, err error) {
	if err := f.usable(); err != nil {
		return false, err
	}
	owner, ok := f.owners[d]
	if !ok {
		if owner, err = f.s.devices.owner(f.s.w, d); err != nil {
			f.s.broken = true
			return false, explain(f.s.opts.Path, err)
		}
	}
	if owner == "" && user != "" {
		if f.owners == nil {
			f.owners = map[Device]string{}
		}
		f.owners[d], owner = user, user
		f.entry.Owners = append(f.entry.Owners, Owner{Device: d, User: user})
	}
	return owner == user, nil
}

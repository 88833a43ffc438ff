package backup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/fxamacker/cbor/v2"

	"framehub/backup/place"
	"framehub/store"
)

// What takes a processor for long runs in a process of its own, the same program started
// again: at a lower priority than the frames (docs/adr/0017-backups-give-way.md), with memory
// of its own, and so that whatever happens to it, the hub goes on.

// A job is what a child process is to do.
type job struct {
	Dump  *dumpJob
	Look  *lookJob
	Load  *loadJob
	Pack  *packJob
	Prove *proveJob

	Yield bool // it is to have only what nobody else wants of processors and disk
}

// underLibrary says whether the job is for a process under mvSQLite's library, where the
// database is on mvSQLite: all others open files.
func (j *job) underLibrary() bool { return j.Dump != nil || j.Look != nil || j.Load != nil }

// A dumpJob copies a version of a namespace of mvSQLite to a file.
type dumpJob struct {
	Source, VFS string // as store.CopyNamespace takes them
	To          string
}

// A packJob packs a database file.
type packJob struct {
	From, To   string
	Recipients []string
	Finish     *finishJob // before that; nil: there is nothing to finish
}

// A finishJob makes a copy of what was dumped.
type finishJob struct {
	Schema  []byte
	Version uint64
	First   uint64 // the version of the first of the entries
	Entries string // a file of them, each a byte string in CBOR
}

// packed is what came of it.
type packed struct {
	Raw, Data Sum
	Contents  *store.Contents
}

// A proveJob looks at a copy in its place.
type proveJob struct {
	Place    string
	Manifest string // its name
	Scratch  string // a folder
	Plain    string // the database file, where the data is encrypted
	Before   string // the manifest of a copy before it that should lead to it; "": none
}

type answer struct {
	Packed  *packed
	There   *store.NamespaceState
	Proved  rehearsal
	Error   string
	Damaged bool // the error says that the copy is not good, and not that something stood in the way
}

// ChildCommand is the hidden command of the program that is a child process.
const ChildCommand = "backup-child"

// Child is a child process: it reads a job in a line, and what belongs to it, does it, and
// writes the answer. It ends when in ends, for then nobody waits for the answer.
func Child(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b := bufio.NewReader(in)
	line, err := b.ReadBytes('\n')
	var j job
	if err == nil {
		err = json.Unmarshal(line, &j)
	}
	if err != nil {
		return fmt.Errorf("read a job: %w", err)
	}
	var a answer
	if j.Yield {
		yield()
	}
	if j.Load != nil { // which finds the end itself
		err = j.Load.run(ctx, b)
	} else {
		go func() {
			_, _ = io.Copy(io.Discard, b)
			cancel()
		}()
		err = a.do(ctx, &j)
	}
	if err != nil {
		a.Error, a.Damaged = err.Error(), errors.Is(err, errNotGood)
	}
	return json.NewEncoder(out).Encode(&a)
}

func (a *answer) do(ctx context.Context, j *job) (err error) {
	switch {
	case j.Dump != nil:
		return store.CopyNamespace(j.Dump.Source, j.Dump.VFS, j.Dump.To)
	case j.Look != nil:
		a.There, err = j.Look.run()
	case j.Pack != nil:
		a.Packed, err = j.Pack.run(ctx)
	case j.Prove != nil:
		a.Proved, err = j.Prove.run(ctx)
	}
	return err
}

// run reads the database twice at once: its bytes, and what they say.
func (j *packJob) run(ctx context.Context) (*packed, error) {
	to, err := Recipients(j.Recipients)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(j.To); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that did not get on
		return nil, err
	}
	if j.Finish != nil {
		if err := j.Finish.run(j.From); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type read struct {
		contents *store.Contents
		err      error
	}
	done := make(chan read, 1)
	go func() {
		c, err := store.ReadContents(ctx, j.From)
		done <- read{c, err}
	}()
	p := &packed{}
	p.Raw, p.Data, err = pack(ctx, j.From, j.To, to)
	if err != nil {
		cancel()
	}
	r := <-done
	p.Contents = r.contents
	return p, errors.Join(err, r.err)
}

func (j *finishJob) run(path string) error {
	f, err := os.Open(j.Entries)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	in := cbor.NewDecoder(bufio.NewReader(f))
	next := j.First
	return store.FinishCopy(path, j.Schema, j.Version, func(version uint64) (entry []byte, err error) {
		if version != next {
			return nil, fmt.Errorf("entry %d is wanted, and %d is there", version, next)
		}
		next++
		return entry, in.Decode(&entry)
	})
}

// run looks at a copy with every eye there is.
func (j *proveJob) run(ctx context.Context) (r rehearsal, err error) {
	p, err := place.Open(j.Place)
	if err != nil {
		return r, err
	}
	v := &verifier{place: p, scratch: j.Scratch}
	m, err := readManifest(ctx, p, j.Manifest)
	if err != nil {
		return r, notGood(ctx, err)
	}
	if err := v.copy(ctx, m, j.Plain); err != nil || j.Before == "" {
		return r, err
	}
	return v.rehearse(ctx, j.Before, m)
}

// A runner runs child processes.
type runner struct {
	program []string // and its first arguments
	env     []string // of those that open files; nil: this process's
	library []string // of those under mvSQLite's library; the same

	patience time.Duration // with a job that yields, and some more by the database's size
}

const niceness = 10

// idleSpeed is how many bytes of a database a process that yields should pack or prove in a
// second: a tenth of what one does that nobody disturbs.
const idleSpeed = 5 << 20

// runIdle runs a job that yields, on a database of so many bytes. Where others are too busy for it to
// get on, it is run again with no more than a lower priority: a backup must end.
func (r runner) runIdle(ctx context.Context, j *job, size int64) (*answer, error) {
	j.Yield = true
	patient, cancel := context.WithTimeout(ctx, r.patience+time.Duration(size/idleSpeed)*time.Second)
	defer cancel()
	a, err := r.run(patient, j, nil)
	if err == nil || patient.Err() == nil || ctx.Err() != nil {
		return a, err
	}
	j.Yield = false
	return r.run(ctx, j, nil)
}

// run runs a child process until it has answered. feed, which may be nil, writes what belongs
// to the job.
func (r runner) run(ctx context.Context, j *job, feed func(io.Writer) error) (*answer, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, r.program[0], r.program[1:]...) //nolint:gosec // the program itself
	if cmd.Env = r.env; j.underLibrary() {
		cmd.Env = r.library
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	in, err := cmd.StdinPipe() // which ends with this process, however that ends
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a child process: %w", err)
	}
	_ = syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, niceness) // all of its threads; that it can't be is no harm
	_, err = in.Write(append(text, '\n'))
	if err == nil && feed != nil {
		if err = feed(in); err != nil && !errors.Is(err, syscall.EPIPE) { // then its answer says why
			_ = in.Close()
			_ = cmd.Wait()
			return nil, err
		}
		err = nil
	}
	if e := cmd.Wait(); e != nil || err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("the child process ended before its work did: %w: %s", errors.Join(e, err), strings.TrimSpace(complaint.String()))
	}
	a := &answer{}
	if err := json.Unmarshal(out.Bytes(), a); err != nil {
		return nil, fmt.Errorf("the child process answers %.200q: %w", out.String(), err)
	}
	switch {
	case a.Damaged:
		return a, fmt.Errorf("%w%s", errNotGood, strings.TrimPrefix(a.Error, errNotGood.Error()))
	case a.Error != "":
		return a, errors.New(a.Error)
	default:
		return a, nil
	}
}

// program returns the program of this process as a child.
func thisProgram() ([]string, error) {
	path, err := os.Executable()
	return []string{path, ChildCommand}, err
}

package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"framehub/backup/place"
	"framehub/store"
)

// What takes a processor for long runs in a process of its own, the same program started
// again: at a lower priority than the frames, with memory of its own, and so that whatever
// happens to it, the hub goes on.

// A job is what a child process is to do.
type job struct {
	Pack  *packJob
	Prove *proveJob
}

// A packJob packs a database file.
type packJob struct {
	From, To   string
	Recipients []string
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
	Packed   *packed
	Restored uint64 // of a proof: the version that was restored from
	Error    string
	Damaged  bool // the error says that the copy is not good, and not that something stood in the way
}

// ChildCommand is the hidden command of the program that is a child process.
const ChildCommand = "backup-child"

// Child is a child process: it reads a job, does it, and writes the answer. It ends when
// in ends, for then nobody waits for the answer.
func Child(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dec := json.NewDecoder(in)
	var j job
	if err := dec.Decode(&j); err != nil {
		return fmt.Errorf("read a job: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	var a answer
	err := a.do(ctx, &j)
	if err != nil {
		a.Error, a.Damaged = err.Error(), errors.Is(err, errNotGood)
	}
	return json.NewEncoder(out).Encode(&a)
}

func (a *answer) do(ctx context.Context, j *job) (err error) {
	switch {
	case j.Pack != nil:
		a.Packed, err = j.Pack.run(ctx)
	case j.Prove != nil:
		a.Restored, err = j.Prove.run(ctx)
	}
	return err
}

// run reads the database twice at once: its bytes, and what they say.
func (j *packJob) run(ctx context.Context) (*packed, error) {
	to, err := Recipients(j.Recipients)
	if err != nil {
		return nil, err
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

// run looks at a copy with every eye there is.
func (j *proveJob) run(ctx context.Context) (restored uint64, err error) {
	p, err := place.Open(j.Place)
	if err != nil {
		return 0, err
	}
	v := &verifier{place: p, scratch: j.Scratch}
	m, err := readManifest(ctx, p, j.Manifest)
	if err != nil {
		return 0, notGood(ctx, err)
	}
	if err := v.copy(ctx, m, j.Plain); err != nil || j.Before == "" {
		return 0, err
	}
	return v.rehearse(ctx, j.Before, m)
}

// A runner runs child processes.
type runner struct {
	program []string // and its first arguments
}

const niceness = 10

// run runs a child process until it has answered.
func (r runner) run(ctx context.Context, j *job) (*answer, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, r.program[0], r.program[1:]...) //nolint:gosec // the program itself
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

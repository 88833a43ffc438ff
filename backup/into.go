package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"

	"framehub/store"
)

// A Namespace is a database on mvSQLite that is to be restored into. What reaches it are
// child processes under mvSQLite's library, which open no files; this process has those.
type Namespace struct {
	Address string   // for people
	Name    string   // of the game database; the frame log's is this with .frames
	VFS     string   // as the store's Options have it
	Child   []string // the program that is a child process, with its first arguments; default: this one
	Env     []string // its environment, with the library; nil: this process's
}

// A lookJob looks at what is in namespaces.
type lookJob struct{ Name, VFS string }

// A loadJob makes a database in namespaces, of parts that follow it.
type loadJob struct {
	Name, VFS string
	Loading   store.Loading
}

func (j *lookJob) run() (*store.NamespaceState, error) {
	return store.LookAtNamespace(store.Options{Path: j.Name, MVSQLite: true, VFS: j.VFS})
}

func (j *loadJob) run(ctx context.Context, in io.Reader) error {
	dec := partsCBOR.NewDecoder(in)
	return store.Load(ctx, store.Options{Path: j.Name, MVSQLite: true, VFS: j.VFS}, &j.Loading, func() (*store.LoadPart, error) {
		p := &store.LoadPart{}
		return p, dec.Decode(p)
	})
}

// partsCBOR takes parts of any size that there is.
var partsCBOR = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: 1 << 30}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}()

// into restores into a namespace. The database is built here, as for a file, and then brought
// there part by part; a restore of the same that was not finished is gone on with.
func (r *restorer) into(ctx context.Context) (err error) {
	to := r.o.Into
	if len(to.Child) == 0 {
		if to.Child, err = thisProgram(); err != nil {
			return err
		}
	}
	r.res.DB = to.Address
	run := runner{program: to.Child, library: to.Env}
	a, err := run.run(ctx, &job{Look: &lookJob{to.Name, to.VFS}}, nil)
	if err != nil {
		return fmt.Errorf("look at %s: %w", to.Address, err)
	}
	if !a.There.Empty && a.There.Loading == "" {
		return fmt.Errorf("%s is not empty, and a namespace can't be put aside: restore into another one, and start the hub on that", to.Address)
	}
	if err := r.build(ctx); err != nil {
		return err
	}
	if was := a.There.Loading; was != "" && was != r.what() {
		return fmt.Errorf("%s holds a part of %s, whose restore was not finished, and this would be %s: restore that one again, or into another namespace",
			to.Address, was, r.what())
	}
	if a.There.Loading != "" {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("a restore before this one had not been finished, and was gone on with, after %d parts", a.There.Parts))
	}
	j := &loadJob{to.Name, to.VFS, store.Loading{What: r.what(), Schema: r.schema(), Contents: r.res.Contents}}
	if _, err := run.run(ctx, &job{Load: j}, func(w io.Writer) error { return r.feed(ctx, w, a.There.Parts) }); err != nil {
		return fmt.Errorf("load %s into %s: %w", r.what(), to.Address, err)
	}
	return nil
}

// feed writes what was built to a child process, behind the parts that are loaded.
func (r *restorer) feed(ctx context.Context, w io.Writer, loaded uint64) error {
	total := int64(0)
	for i := range r.res.Contents.Tables {
		total += int64(r.res.Contents.Tables[i].Rows)
	}
	b := bufio.NewWriterSize(w, copyBuffer)
	out := cbor.NewEncoder(b)
	err := store.ReadParts(ctx, r.path(), loaded, func(p *store.LoadPart) error {
		r.o.Progress("loading", min(int64(p.Rows), total), total)
		return errors.Join(out.Encode(p), b.Flush())
	})
	r.o.Progress("comparing", 0, 0)
	return err
}

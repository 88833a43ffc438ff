package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"framehub/backup"
	"framehub/backup/place"
)

// A rottenPlace is a folder that changes a bit of what it is given, while it is rotten.
type rottenPlace struct {
	place.Place
	dir    string
	rotten atomic.Bool
}

func (p *rottenPlace) Put(ctx context.Context, name, file string) error {
	err := p.Place.Put(ctx, name, file)
	if err != nil || !p.rotten.Load() {
		return err
	}
	path := filepath.Join(p.dir, filepath.FromSlash(name))
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(path, b, 0o600)
}

// TestNotGood: a copy that is not good when it is read back is told to be so, is never
// restored from, and the next one is made when it is asked for.
func TestNotGood(t *testing.T) {
	w := newWorld(t, 15)
	w.frame()
	p := &rottenPlace{Place: w.place, dir: w.place.String()}
	b, _ := w.backup(backup.Options{Place: p, ShipEvery: fast})
	if o := w.copyNow(b); !o.Good {
		t.Fatalf("%+v", o)
	}
	w.frame()
	v := w.note()
	failures := b.State().Failures
	p.rotten.Store(true)
	o := w.copyNow(b)
	if o.Good || o.Version != v || !strings.Contains(o.Error, "not good") {
		t.Errorf("%+v", o)
	}
	if s := b.State(); s.Failures != failures+1 || s.LastGood.Version >= v {
		t.Errorf("%+v", s)
	}
	c, err := backup.List(t.Context(), w.place)
	if err != nil {
		t.Fatal(err)
	}
	copies := c.Histories[0].Copies
	if m := copies[len(copies)-1].Manifest; m.Version != v || m.Proof == nil || m.Proof.OK || m.Proof.Error == "" {
		t.Errorf("the manifest of version %d says %+v", m.Version, m.Proof)
	}
	until(t, "its version to be shipped", func() bool { return b.State().Shipped == v })
	r, err := restored(t, w.place, "latest")
	if err != nil || r.Version != v || r.Copy == v {
		t.Fatalf("%+v, %v", r, err)
	}
	same(t, "the last version", w.truth[v], r.Contents)
	p.rotten.Store(false)
	if o := w.copyNow(b); !o.Good || o.Version != v {
		t.Errorf("%+v", o)
	}
}

// TestLyingCopies: a copy whose sums are all right is not good either, where SQLite finds a
// fault in it, or where one value is not what its version has.
func TestLyingCopies(t *testing.T) {
	w := newWorld(t, 16)
	for range 30 {
		w.frame()
	}
	w.merge()
	b, stop := w.backup(backup.Options{})
	o := w.copyNow(b)
	stop()
	c, err := backup.List(t.Context(), w.place)
	if err != nil || !o.Good {
		t.Fatalf("%+v, %v", o, err)
	}
	copies := c.Histories[0].Copies
	f := copies[len(copies)-1]
	data := filepath.Join(w.place.String(), filepath.FromSlash(f.Manifest.Data.Name))
	packed, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	unpack, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unpack.Close()
	raw, err := unpack.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	pack, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, lie := range map[string]struct {
		change func(raw []byte)
		want   string
	}{
		"a value": {func(raw []byte) { // and what rows before it have left
			copy(raw, bytes.ReplaceAll(raw, []byte("ssssssss"), []byte("sssSssss")))
		}, `differs in table "plain"`},
		"the b-tree": {func(raw []byte) { clear(raw[len(raw)/2:]) }, "not good"},
		"nothing":    {func([]byte) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			raw := bytes.Clone(raw)
			lie.change(raw)
			packed := pack.EncodeAll(raw, nil)
			m := *f.Manifest
			m.Raw, m.Data.Sum = sumOf(raw), sumOf(packed)
			sealed, err := backup.Seal(&m)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(data, packed, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := w.place.Write(t.Context(), f.Name, sealed); err != nil {
				t.Fatal(err)
			}
			all, err := backup.Verify(t.Context(), backup.VerifyOptions{Place: w.place, Version: &f.Version, Scratch: w.dir})
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			if all[0].Good != (lie.want == "") || !strings.Contains(all[0].Error, lie.want) {
				t.Errorf("%+v, wanted %q", all[0], lie.want)
			}
		})
	}
}

func sumOf(b []byte) backup.Sum {
	sum := sha256.Sum256(b)
	return backup.Sum{Size: int64(len(b)), SHA256: sum[:]}
}

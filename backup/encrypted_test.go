package backup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"framehub/backup"
)

// TestEncrypted: with recipients nobody reads a backup without the key, and with it all is
// as ever.
func TestEncrypted(t *testing.T) {
	w := newWorld(t, 8)
	w.raced = true
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w.frame()
	b, stop := w.backup(backup.Options{ShipEvery: fast, Recipients: []string{key.Recipient().String()}})
	if o := w.copyNow(b); !o.Good {
		t.Fatalf("%+v", o)
	}
	for range 10 {
		w.frame()
	}
	v := w.note()
	until(t, "the last version", func() bool { return b.State().Shipped == v })
	stop()
	if _, err := restored(t, w.place, "latest"); err == nil || !strings.Contains(err.Error(), "--identity") {
		t.Error("without a key:", err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := restored(t, w.place, "latest", func(o *backup.RestoreOptions) { o.Keys = []age.Identity{other} }); err == nil || !strings.HasPrefix(err.Error(), "it is encrypted for another key") {
		t.Error("with another key:", err)
	}
	for name, keys := range map[string][]age.Identity{"no key": nil, "another key": {other}} {
		all, err := backup.Verify(t.Context(), backup.VerifyOptions{Place: w.place, Keys: keys, Scratch: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Good || !one.NoKey || strings.Contains(one.Error, "damaged") {
				t.Errorf("with %s verify says %+v", name, one)
			}
		}
	}
	keys := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(keys, []byte("# made by a test\n"+key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ids, err := backup.Identities(keys)
	if err != nil {
		t.Fatal(err)
	}
	r, err := restored(t, w.place, "latest", func(o *backup.RestoreOptions) { o.Keys = ids })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the last version", w.truth[v], r.Contents)
	all, err := backup.Verify(t.Context(), backup.VerifyOptions{Place: w.place, Keys: ids, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if !one.Good {
			t.Errorf("%+v", one)
		}
	}
}

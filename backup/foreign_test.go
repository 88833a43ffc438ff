package backup_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"framehub/backup"
)

// TestForeignWrites: what another program writes to tables that only the hub should write
// is not in the log. Copies have it, and stay good; a restore from before says what is
// lost.
func TestForeignWrites(t *testing.T) {
	w := newWorld(t, 7)
	w.close()
	o := w.options()
	o.Alone = map[string]bool{"plain": true}
	w.open(o)
	db, err := sql.Open("sqlite3", filepath.Join(w.dir, "world.db")+"?_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	write := func(sql string) {
		t.Helper()
		w.merge()
		if _, err := db.ExecContext(t.Context(), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	write(`CREATE VIRTUAL TABLE words USING fts4(body)`)
	w.frame()
	b, stop := w.backup(backup.Options{ShipEvery: fast})
	var apart [][]string
	step := func(what string) {
		t.Helper()
		for range 3 {
			w.frame()
		}
		if o := w.copyNow(b); !o.Good || o.Error != "" {
			t.Fatalf("%s: %+v", what, o)
		}
		c, err := backup.List(t.Context(), w.place)
		if err != nil {
			t.Fatal(err)
		}
		copies := c.Histories[0].Copies
		apart = append(apart, copies[len(copies)-1].Manifest.Proof.Apart)
	}
	step("the first copy")
	step("one that nobody else has written before")
	write(`INSERT INTO plain(id, n, s) VALUES (1001, 1, 'another program')`)
	step("one after another program wrote to a table of the hub's")
	step("the next")
	write(`INSERT INTO words(body) VALUES ('a text')`)
	step("one after another program wrote to a full-text index")
	between := w.Version() - 1
	step("the next")
	stop()

	words := []string{"words_content", "words_docsize", "words_segdir", "words_segments", "words_stat"}
	want := [][]string{nil, nil, append([]string{"plain"}, words...), nil, words, nil}
	for i := range want {
		if !slices.Equal(apart[i], want[i]) {
			t.Errorf("copy %d: apart %q, want %q", i, apart[i], want[i])
		}
	}
	if r, err := restored(t, w.place, "latest"); err != nil || len(r.Notes) != 0 {
		t.Errorf("the last copy has everything: %+v, %v", r, err)
	}
	r, err := restored(t, w.place, fmt.Sprint(between))
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "is lost: words_content, ") || strings.Contains(notes, "plain") {
		t.Errorf("what a restore to a version before the copy lacks: %q", notes)
	}
}

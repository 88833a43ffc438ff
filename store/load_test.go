package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"framehub/store"
	"framehub/store/storetest"
)

// loadSchema has what an INSERT alone would not bring: rowids, sequences, generated columns,
// a child before its parent, views, triggers, and a full-text index.
const loadSchema = `
PRAGMA user_version = 7; PRAGMA application_id = 8;
CREATE TABLE achild(id INTEGER PRIMARY KEY, item INTEGER REFERENCES item(id), n INTEGER CHECK (n > 0));
CREATE TABLE item(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, n INTEGER, twice INTEGER AS (n * 2) STORED, thrice AS (n * 3));
CREATE TABLE pair(a TEXT, b INTEGER, v ANY, PRIMARY KEY(a, b)) STRICT, WITHOUT ROWID;
CREATE TABLE loose(what, "rowid" TEXT);
CREATE TABLE "it's ""odd"""(k INTEGER PRIMARY KEY, "a b" BLOB);
CREATE INDEX item_n ON item(n) WHERE n > 5;
CREATE UNIQUE INDEX child_item ON achild(item, n);
CREATE VIEW large AS SELECT * FROM item WHERE n > 500;
CREATE TRIGGER item_gone AFTER DELETE ON item BEGIN DELETE FROM loose WHERE what = old.name; END;
CREATE VIRTUAL TABLE words USING fts4(body);
INSERT INTO words(rowid, body) VALUES (3, 'one two'), (9, 'three');
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400)
	INSERT INTO item(id, name, n) SELECT i * 3, 'item ' || i, i * 7 % 1000 FROM c;
DELETE FROM item WHERE id > 1100;
INSERT INTO loose(_rowid_, what, "rowid") VALUES (5, 'five', 'x'), (2, NULL, CAST(x'ff00' AS TEXT)), (77, 1.0, NULL);
INSERT INTO pair VALUES ('a', 1, 1), ('a', 2, 1.0), ('b', -5, x'00ff'), ('', 9223372036854775807, ''), ('c', 0, NULL), ('d', 0, 1e308);
INSERT INTO "it's ""odd""" VALUES (-9223372036854775808, zeroblob(30000)), (1, x'');
INSERT INTO achild VALUES (1, 3, 1), (2, 6, 2);
ANALYZE;`

// loadCopy makes a copy of a database in a file.
func loadCopy(t *testing.T) *keptCopy {
	t.Helper()
	d := openDB(t, loadSchema)
	d.do(put("item", "id name n", row(1, "made by a device", 1)))
	k := d.keepCopy()
	return &k
}

// load loads a copy into the namespaces, behind what is there of it.
func (k *keptCopy) load(s *storetest.Mvsim, what string) error {
	s.Helper()
	o := store.Options{Path: "game", MVSQLite: true, VFS: storetest.VFS}
	n, err := store.LookAtNamespace(o)
	if err != nil {
		return err
	}
	if !n.Empty && n.Loading != what {
		return fmt.Errorf("the namespace is not empty: %+v", n)
	}
	var parts []*store.LoadPart
	if err := store.ReadParts(s.Context(), k.path, n.Parts, func(p *store.LoadPart) error {
		one := *p
		parts = append(parts, &one)
		return nil
	}); err != nil {
		s.Fatal(err)
	}
	l := &store.Loading{What: what, Schema: k.doc, Contents: k.contents}
	return store.Load(s.Context(), o, l, func() (*store.LoadPart, error) {
		if len(parts) == 0 {
			return nil, errors.New("there are no more parts")
		}
		p := parts[0]
		parts = parts[1:]
		return p, nil
	})
}

// TestMVSQLiteLoad: a copy of a database in a file becomes one on mvSQLite that has all of
// it, with which a hub goes on.
func TestMVSQLiteLoad(t *testing.T) {
	k := loadCopy(t)
	for _, pages := range []int{20_000, 60, 1} {
		t.Run(fmt.Sprint(pages, " pages"), func(t *testing.T) {
			store.CommitAtMost(t, pages)
			s := storetest.OpenMvsim(t, "game", "game.frames")
			if err := k.load(s, "a test"); err != nil {
				t.Fatal(err)
			}
			c := s.Open("game")
			for query, want := range map[string]string{
				`PRAGMA integrity_check`:                                                "ok",
				`PRAGMA user_version`:                                                   "7",
				`PRAGMA application_id`:                                                 "8",
				`SELECT seq FROM sqlite_sequence`:                                       "1200",
				`SELECT count(*) FROM large`:                                            "151",
				`SELECT rowid FROM words WHERE words MATCH 'two'`:                       "3",
				`SELECT count(*) > 0 FROM sqlite_stat1`:                                 "1",
				`SELECT group_concat(_rowid_) FROM loose`:                               "2,5,77",
				`SELECT group_concat(typeof(v)) FROM pair`:                              "text,integer,real,blob,null,real",
				`SELECT value FROM _framehub_meta WHERE key = 'restored'`:               "a test",
				`SELECT count(*) FROM _framehub_meta WHERE key LIKE 'load%'`:            "0",
				`SELECT count(*) FROM sqlite_schema WHERE name = 'item_gone'`:           "1",
				`SELECT sum(twice) = sum(n) * 2 AND sum(thrice) = sum(n) * 3 FROM item`: "1",
			} {
				c.Want(query, want)
			}
			d := openSim(s, "")
			if d.Version() > 1 { // which is that of other programs being watched as on mvSQLite
				t.Errorf("the new history begins with version %d", d.Version())
			}
			d.do(put("item", "id name n", row(1, "changed", 2)))
			kept := d.keepCopy()
			if diff := kept.contents.Differences(k.contents); fmt.Sprint(diff) != `[table "item" has other rows]` {
				t.Errorf("after a device has changed an item there differ: %s", strings.Join(diff, ", "))
			}
			if err := k.load(s, "a test"); err == nil || !strings.Contains(err.Error(), "not empty") {
				t.Errorf("a second load: %v", err)
			}
		})
	}
}

// TestMVSQLiteLoadFaults lets each commit of a load meet what mvSQLite has in store for it. It
// goes on, or is begun again and goes on behind what is there; no hub opens what is not
// whole.
func TestMVSQLiteLoadFaults(t *testing.T) {
	k := loadCopy(t)
	store.CommitAtMost(t, 300)
	for _, namespace := range []string{"game", "game.frames"} {
		for _, action := range []string{"conflict", "untrue", "ioerr", "storeioerr", "full"} {
			t.Run(namespace+" "+action, func(t *testing.T) {
				at := 1
				for ; k.loadWithFault(t, namespace, action, at); at++ {
				}
				if at == 1 {
					t.Error("it never happened")
				}
				t.Logf("%d times", at-1)
			})
		}
	}
}

// loadWithFault says whether it came to the fault.
func (k *keptCopy) loadWithFault(t *testing.T, namespace, action string, at int) bool {
	t.Helper()
	s := storetest.OpenMvsim(t, "game", "game.frames")
	s.Plan(fmt.Sprintf("commit %s %d %s", namespace, at, action))
	err := k.load(s, "a test")
	s.Plan()
	fired := len(s.Fired()) > 0
	if err != nil {
		o := store.Options{Path: "game", MVSQLite: true, VFS: storetest.VFS, Log: quiet}
		n, e := store.LookAtNamespace(o)
		if e != nil {
			t.Fatal(e)
		}
		if n.Loading != "" {
			if st, e := store.Open(o); !errors.Is(e, store.ErrLoading) {
				_ = st.Close()
				t.Errorf("commit %d: a hub opens what is half loaded: %v", at, e)
			}
			wantWords(t, k.load(s, "another"), "not empty")
		}
		if n.Loading != "" || n.Empty {
			err = k.load(s, "a test")
		}
	}
	if err != nil && action != "storeioerr" { // where the last commit is there, all is well
		t.Errorf("commit %d: %v", at, err)
	}
	if d := openSim(s, ""); d.keepCopy().contents.Differences(k.contents) != nil {
		t.Errorf("commit %d: the database is another", at)
	}
	return fired
}

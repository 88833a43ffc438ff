package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// propertySchema has what makes transactions see each other: keys of every kind,
// uniqueness with and without REPLACE, checks, foreign keys, generated columns,
// and triggers that write elsewhere, move keys, and refuse in every way.
const propertySchema = `
CREATE TABLE plain(id INTEGER PRIMARY KEY, n INTEGER CHECK(n < 1000), x REAL, s TEXT, u INTEGER UNIQUE) STRICT;
CREATE TABLE pair(k TEXT COLLATE NOCASE, m INT, v, w UNIQUE, PRIMARY KEY(k, m));
CREATE TABLE anykey(k ANY PRIMARY KEY, n INTEGER NOT NULL DEFAULT 3, g INTEGER AS (n * 2) STORED, v INTEGER AS (n + 1)) STRICT, WITHOUT ROWID;
CREATE TABLE child(id INTEGER PRIMARY KEY AUTOINCREMENT, p INTEGER REFERENCES plain(id) ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
	r TEXT UNIQUE ON CONFLICT REPLACE, c INTEGER REFERENCES plain(u) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE realkey(k REAL PRIMARY KEY, n INTEGER UNIQUE ON CONFLICT IGNORE);
CREATE TABLE flat(id INTEGER PRIMARY KEY, a INTEGER, b REAL, c TEXT NOT NULL DEFAULT 'd', e BLOB, f ANY DEFAULT 7) STRICT;
CREATE TABLE flatkey(k TEXT, m INTEGER, n INTEGER NOT NULL, PRIMARY KEY(k, m)) STRICT, WITHOUT ROWID;
CREATE TABLE _log(what, id, n);
CREATE TABLE _sum(k TEXT COLLATE RTRIM PRIMARY KEY, n) WITHOUT ROWID;
CREATE TRIGGER pi AFTER INSERT ON plain BEGIN INSERT INTO _log VALUES ('i', new.id, new.n);
	INSERT INTO _sum VALUES ('rows', 1) ON CONFLICT(k) DO UPDATE SET n = n + 1, k = k || ' '; END;
CREATE TRIGGER pu AFTER UPDATE ON plain WHEN new.n <> old.n BEGIN INSERT INTO _log VALUES ('u', new.id, new.n);
	DELETE FROM _log WHERE rowid < (SELECT max(rowid) FROM _log) - 20; END;
CREATE TRIGGER pd AFTER DELETE ON plain BEGIN DELETE FROM _log WHERE id = old.id; UPDATE _sum SET n = n - 1, k = rtrim(k); END;
CREATE TRIGGER move AFTER UPDATE OF s ON plain WHEN new.s = 'move' BEGIN UPDATE plain SET id = id + 1, s = 'moved' WHERE id = new.id; END;
CREATE TRIGGER abort BEFORE INSERT ON pair WHEN new.v = 13 BEGIN SELECT RAISE(ABORT, 'thirteen'); END;
CREATE TRIGGER ignore BEFORE UPDATE ON pair WHEN old.v = 7 AND new.v = 6 BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER back AFTER UPDATE ON pair WHEN new.v = 13 BEGIN SELECT RAISE(ROLLBACK, 'back'); END;
CREATE TRIGGER flatten AFTER INSERT ON pair BEGIN UPDATE flat SET a = a + 1 WHERE id % 3 = 0; INSERT OR REPLACE INTO flat(id, b) VALUES (new.m, 0.5);
	UPDATE flatkey SET m = m + 1 WHERE k = 'a' AND m > 3; DELETE FROM flatkey WHERE n = 4; END;
CREATE TRIGGER renum AFTER INSERT ON anykey WHEN new.n = 11 BEGIN INSERT INTO child(r) VALUES ('made'); DELETE FROM child WHERE id % 3 = 0; END;
CREATE TRIGGER big AFTER UPDATE ON realkey WHEN new.n = 12 BEGIN UPDATE plain SET x = x * 1e300; END;`

func TestProperty(t *testing.T) {
	for i := range uint64(4) {
		t.Run(fmt.Sprint(i), func(t *testing.T) { property(t, seedOf(i), 120) })
	}
}

// TestSoakProperty runs on with new seeds for FRAMEHUB_SOAK.
func TestSoakProperty(t *testing.T) {
	until := time.Now().Add(soakTime(t))
	rounds := 0
	for ; time.Now().Before(until) && !t.Failed(); rounds++ {
		t.Run(fmt.Sprint(rounds), func(t *testing.T) { property(t, seedOf(rand.Uint64()), 400) })
	}
	t.Logf("%d rounds of 400 frames", rounds)
}

// soakTime returns how long a soak test runs: FRAMEHUB_SOAK as a duration; 10
// minutes where it is set to anything else. Without it the test is skipped.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("FRAMEHUB_SOAK")
	if text == "" {
		t.Skip("set FRAMEHUB_SOAK=10m (or run make soak)")
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 10 * time.Minute
	}
	return d
}

// seedOf returns the seed to use: FRAMEHUB_SEED, if set.
func seedOf(seed uint64) uint64 {
	if s, err := strconv.ParseUint(os.Getenv("FRAMEHUB_SEED"), 10, 64); err == nil {
		return s
	}
	return seed
}

func property(t *testing.T, seed uint64, frames int) {
	t.Helper()
	d := openDB(t, propertySchema, func(o *store.Options) { o.Scopes = map[string]string{"plain": "n", "pair": "k", "flat": "a"} })
	p := &propertyRun{d, newReference(d), newModel(d), newTouches(d), random{rand.New(rand.NewPCG(seed, 2))}, map[wire.Code]int{}, newShadow(d, seed)}
	for range frames {
		if p.frame(); t.Failed() {
			t.Fatalf("version %d: run again with FRAMEHUB_SEED=%d", d.Version(), seed)
		}
	}
	if p.shadow.asked == 0 {
		t.Error("no guard was asked")
	}
	t.Logf("seed %d: %v", seed, p.outcomes)
}

type propertyRun struct {
	*testDB
	ref      *reference
	model    *model
	touches  *touches
	random   random
	outcomes map[wire.Code]int
	shadow   *shadow
}

// frame commits a frame of random transactions, and compares every outcome, and
// all that is there afterwards.
func (p *propertyRun) frame() {
	n := 1 + p.random.IntN(6)
	txs, ops := make([]written, n), make([][]testOp, n)
	for i := range txs {
		txs[i], ops[i] = p.transaction()
		p.shadow.ops[txs[i].w] = ops[i]
	}
	e, refusals := p.commit(txs...)
	if e == nil {
		p.Fatal("a frame of transactions has no entry")
	}
	read, err := store.LoggedEntry(p.Store, e.Version)
	if err != nil {
		p.Fatal(err)
	}
	sameEntry(p, e, read)
	for i, tx := range txs {
		p.compare(e.Version, tx, ops[i], refusals[i])
	}
	p.model.apply(e)
	switch r := p.random.IntN(100); {
	case r < 3:
		p.crash(p.opts.Path)
	case r < 5:
		p.reopen()
	case r < 30:
		return // merged with the next
	default:
		p.merge()
	}
	want := p.ref.contents()
	if diff := diffTables(want, p.contents()); diff != "" {
		p.Fatalf("version %d: want the reference's, got the store's:\n%s", e.Version, diff)
	}
	p.model.check("folded")
}

// compare lets the reference judge a transaction, which must come to the same end.
func (p *propertyRun) compare(version uint64, tx written, ops []testOp, got *wire.Refusal) {
	code := wire.Code("")
	if got != nil {
		code = got.Code
	}
	want := p.want(version, tx, ops, code)
	p.outcomes[want]++
	if want != code {
		p.Errorf("version %d, %v: the store says %v, the reference %q\nbase %d %v", version, ops, got, want, tx.w.Base, tx.w.BaseSet)
	}
}

func (p *propertyRun) want(version uint64, tx written, ops []testOp, got wire.Code) wire.Code {
	if code := checkOps(p.testDB, ops); code != "" {
		return code
	}
	if tx.w.BaseSet {
		if code := p.touches.check(tx, ops, version-1, got); code != "" {
			return code
		}
	}
	before := p.ref.contents()
	if p.shadow.refused[tx.w] {
		return wire.CodeForbidden
	}
	code := p.ref.run(ops)
	if code == "" {
		p.touches.note(version, tx.dev, ops, before, p.ref.contents())
	}
	return code
}

// checkOps refuses what the protocol refuses before it looks at any row.
func checkOps(d *testDB, ops []testOp) wire.Code {
	for _, op := range ops {
		t := d.table(op.table)
		for i, name := range fields(op.columns) {
			c := t.Columns[t.Column(name)]
			if c.Generated && op.kind != wire.OpExpect {
				return wire.CodeReadOnly
			}
			for _, r := range op.rows {
				if _, real := r[i].(float64); real && op.kind == wire.OpAdd && i >= t.Key && c.Type == "INTEGER" {
					return wire.CodeType
				}
			}
		}
	}
	for _, op := range ops {
		t := d.table(op.table)
		for _, r := range op.rows {
			for i := range t.Key {
				if !keyFits(t.Columns[i].Type, r[i]) {
					return wire.CodeType
				}
			}
		}
	}
	return ""
}

func keyFits(kind string, v any) bool {
	_, f, number := numberOf(v)
	switch _, text := v.(string); {
	case v == nil:
		return false
	case kind == "INTEGER":
		return number && f == float64(int64(f))
	case kind == "REAL":
		return number
	case kind == "TEXT":
		return text
	default:
		return true
	}
}

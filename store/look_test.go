package store_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"framehub/session/wire"
	"framehub/store"
)

// rows is a table's rows by the text of their keys, each as SQL literals.
type rows map[string]string

// contents reads every table that the log carries as SELECT gives it.
func (d *testDB) contents() map[string]rows {
	d.Helper()
	out, _ := d.contentsAt()
	return out
}

func (d *testDB) contentsAt() (map[string]rows, uint64) {
	d.Helper()
	out := map[string]rows{}
	var version uint64
	err := d.View(d.context(), func(v *store.View) error {
		version = v.Version
		for _, t := range v.Schema.Tables {
			all := rows{}
			if err := v.Scan(t, false, nil, func(g wire.Grid) error {
				for i := range g.Rows() {
					all[literals(g.Row(i)[:t.Key])] = literals(g.Row(i))
				}
				return nil
			}); err != nil {
				return err
			}
			out[t.Name] = all
		}
		return nil
	})
	if err != nil {
		d.Fatal("view:", err)
	}
	return out, version
}

func literals(values []wire.Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = literal(v)
	}
	return strings.Join(texts, ", ")
}

// literal is a value in full, where Value.String cuts.
func literal(v wire.Value) string {
	if v.Kind() == wire.Text || v.Kind() == wire.Blob {
		return fmt.Sprintf("%s %q", v.Kind(), v.Bytes())
	}
	if v.Kind() == wire.Real {
		return fmt.Sprintf("%g real", v.Float64())
	}
	return v.String()
}

// wantRows compares a table's rows, in the order of their keys' texts.
func (d *testDB) wantRows(table string, want ...[]any) {
	d.Helper()
	got := d.contents()[table]
	expected := rows{}
	t := d.table(table)
	for _, r := range want {
		values := make([]wire.Value, len(r))
		for i, v := range r {
			values[i] = value(v)
		}
		expected[literals(values[:t.Key])] = literals(values)
	}
	if diff := diffRows(expected, got); diff != "" {
		d.Errorf("table %q:\n%s", table, diff)
	}
}

func diffRows(want, got rows) string {
	var b strings.Builder
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		w, inWant := want[k]
		g, inGot := got[k]
		switch {
		case !inGot:
			fmt.Fprintf(&b, "  missing: %s\n", w)
		case !inWant:
			fmt.Fprintf(&b, "  too many: %s\n", g)
		case w != g:
			fmt.Fprintf(&b, "  want %s\n  got  %s\n", w, g)
		}
	}
	return b.String()
}

// diffTables says how two databases differ, or nothing.
func diffTables(want, got map[string]rows) string {
	var b strings.Builder
	names := maps.Clone(want)
	maps.Copy(names, got)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if diff := diffRows(want[name], got[name]); diff != "" {
			fmt.Fprintf(&b, "table %q:\n%s", name, diff)
		}
	}
	return b.String()
}

// wantRefusal compares a refusal's code, and looks for words in its text.
func wantRefusal(tb testing.TB, r *wire.Refusal, code wire.Code, words ...string) {
	tb.Helper()
	if r == nil {
		tb.Errorf("accepted, want the refusal %s", code)
		return
	}
	if r.Code != code {
		tb.Errorf("refused with %v, want %s", r, code)
	}
	for _, w := range words {
		if !strings.Contains(r.Text, w) {
			tb.Errorf("the refusal's text does not say %q: %v", w, r)
		}
	}
}

// checkFile lets SQLite's own shell look a database over.
func checkFile(tb testing.TB, path string) {
	tb.Helper()
	if _, err := os.Stat(path); err != nil {
		return // the test is about its absence
	}
	if shell(tb) == "" {
		return
	}
	if out := sqlite3(tb, path, "PRAGMA integrity_check", "PRAGMA foreign_key_check"); out != "ok" {
		tb.Errorf("%s: %s", path, out)
	}
}

// wantWords looks for words in an error.
func wantWords(tb testing.TB, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("no error, want one that says %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("the error does not say %q: %v", w, err)
		}
	}
}

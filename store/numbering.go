package store

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// The schema as the frame log keeps it: what is needed to number tables and
// columns, and to read entries that were written under it.
type schemaDoc struct {
	Tables    []tableShape
	NextTable int // no table ever had this id or a higher one
}

type tableShape struct {
	ID, Next   int // Next: no column of the table ever had this id or a higher one
	Name       string
	Key, Scope int
	Synced     bool
	Since      uint64
	Columns    []columnShape
}

type columnShape struct {
	ID   int
	Name string
	Type string
}

// number gives the tables found their ids, those of the last schema by name,
// and new ones for what is new; a table whose key is another now is new, for
// nothing that was said of its rows holds. It says whether anything differs from the last
// schema; version is the frame at which a new shape is then in force.
func number(tables []*Table, last *schemaDoc, version uint64, anew func(*Table) bool) (doc *schemaDoc, changed bool) {
	doc = &schemaDoc{NextTable: max(last.NextTable, 1)}
	changed = len(tables) != len(last.Tables)
	for _, t := range tables {
		i := slices.IndexFunc(last.Tables, func(s tableShape) bool { return s.Name == t.Name && s.sameKey(t) })
		was := tableShape{}
		if i >= 0 {
			was = last.Tables[i]
		} else {
			was.ID = doc.NextTable
			doc.NextTable++
		}
		shape := t.number(was)
		if !shape.same(&was) || anew(t) {
			shape.Since, changed = version, true
		}
		t.Since = shape.Since
		doc.Tables = append(doc.Tables, shape)
	}
	slices.SortFunc(tables, func(a, b *Table) int { return cmp.Compare(a.ID, b.ID) })
	return doc, changed
}

// synced says whether devices saw the table, by this key.
func (d *schemaDoc) synced(name string, key []Column) bool {
	return d != nil && slices.ContainsFunc(d.Tables, func(s tableShape) bool {
		return s.Name == name && s.Synced && s.sameKey(&Table{Key: len(key), Columns: key})
	})
}

func (s *tableShape) sameKey(t *Table) bool {
	if s.Key != t.Key {
		return false
	}
	for i := range t.Key {
		if s.Columns[i].Name != t.Columns[i].Name || s.Columns[i].Type != t.Columns[i].Type {
			return false
		}
	}
	return true
}

// rekeyed returns the tables that have another key now, by their ids before.
func (d *schemaDoc) rekeyed(now *Schema) map[int]string {
	names := map[int]string{}
	for _, s := range d.Tables {
		if now.ByID(s.ID) == nil && now.Table(s.Name) != nil {
			names[s.ID] = s.Name
		}
	}
	return names
}

func (t *Table) number(was tableShape) tableShape {
	t.ID = was.ID
	shape := tableShape{ID: was.ID, Next: was.Next, Name: t.Name, Key: t.Key, Scope: t.Scope, Synced: t.Synced, Since: was.Since}
	for i := range t.Columns {
		col := &t.Columns[i]
		at := slices.IndexFunc(was.Columns, func(c columnShape) bool { return c.Name == col.Name && c.Type == col.Type })
		if at >= 0 {
			col.ID = was.Columns[at].ID
		} else {
			col.ID = shape.Next
			shape.Next++
		}
		shape.Columns = append(shape.Columns, columnShape{ID: col.ID, Name: col.Name, Type: col.Type})
	}
	return shape
}

func (s *tableShape) same(was *tableShape) bool {
	return s.Name == was.Name && s.Key == was.Key && s.Scope == was.Scope && s.Synced == was.Synced &&
		slices.Equal(s.Columns, was.Columns)
}

func (d *schemaDoc) encode() ([]byte, error) { return cbor.Marshal(d) }

func decodeSchemaDoc(b []byte) (*schemaDoc, error) {
	var d schemaDoc
	if err := cbor.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("read a schema from the frame log: %w", err)
	}
	return &d, nil
}

// schema returns the doc as a [Schema] that can translate and tell what was; it
// can't be used to write.
func (d *schemaDoc) schema(version uint64) *Schema {
	var tables []*Table
	for _, s := range d.Tables {
		t := &Table{ID: s.ID, Name: s.Name, Key: s.Key, Scope: s.Scope, Synced: s.Synced, Since: s.Since}
		for _, c := range s.Columns {
			t.Columns = append(t.Columns, Column{ID: c.ID, Name: c.Name, Type: c.Type})
		}
		tables = append(tables, t)
	}
	return newSchema(version, tables)
}

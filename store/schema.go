package store

import (
	"slices"
	"sync/atomic"

	"framehub/session/wire"
)

// A Schema is the tables of the game database at one schema version. It is
// never changed once made.
type Schema struct {
	Version uint64
	Tables  []*Table // in the order of their ids

	byName map[string]*Table
	byID   map[int]*Table

	// cookie is the number that SQLite raises with every change of the schema, when
	// the database had this one; 0: it does not have it yet.
	cookie atomic.Int64
}

// Table returns the table of that name, or nil. SQL's names are the same in
// either case of ASCII letters; these are as the schema writes them.
func (s *Schema) Table(name string) *Table { return s.byName[name] }

// folded returns the table of that name, as SQL compares names, or nil.
func (s *Schema) folded(name string) *Table {
	if t := s.byName[name]; t != nil {
		return t
	}
	name = lowerASCII(name)
	i := slices.IndexFunc(s.Tables, func(t *Table) bool { return lowerASCII(t.Name) == name })
	if i < 0 {
		return nil
	}
	return s.Tables[i]
}

// ByID returns the table with that id, or nil.
func (s *Schema) ByID(id int) *Table { return s.byID[id] }

// A Table is an ordinary table. Its id is the frame log's own, is never used
// again for another table, and is its number on the wire.
type Table struct {
	ID      int
	Name    string
	Columns []Column // key columns first, in key order, then in SQL's order: their place is their number on the wire
	Key     int      // number of key columns
	Scope   int      // place of the scope column, -1: none
	Synced  bool     // devices may see it; the others are private, or have no key to tell rows by
	Own     bool     // it is the hub's own, which nobody else writes
	Alone   bool     // only the hub writes it: what other programs change in it has no version
	Since   uint64   // the version that gave it its present shape

	rowid    string      // the name of the rowid, the only key column, where that is the key
	virtual  []int       // places of virtual generated columns, which are not stored
	intKey   bool        // the key is the rowid under some name, always an int64
	captured []int       // places of what the capture records
	indexed  []int       // places of the columns that an index begins with
	triggers bool        // of the game's
	nullable bool        // SQLite lets NULL into its key
	shadow   bool        // it is part of a virtual table
	uniques  []unique    // its key's first
	plain    *plainTable // nil: SQL looks at what is written
	notPlain string      // why that is
	mvsqlite bool        // it is on mvSQLite
}

// A Column is a column of a [Table].
type Column struct {
	ID        int // the log's own, never used again in this table
	Name      string
	Type      string // "INTEGER", "REAL", "TEXT", "BLOB" or "ANY": what it should hold
	NotNull   bool
	Default   bool // it has a DEFAULT
	Generated bool

	fallback  string // SQL of its DEFAULT, ""
	cid       int    // SQLite's index, -1: the rowid
	pk        int    // place in the primary key, from 1; 0: not in it
	virtual   bool
	affinity  affinity
	collation collation
}

// Column returns the place of the column of that name, or -1.
func (t *Table) Column(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
}

// Writable says whether ops may set the column.
func (c *Column) Writable() bool { return !c.Generated }

type affinity uint8

const (
	affinityBlob affinity = iota
	affinityText
	affinityNumeric
	affinityInteger
	affinityReal
)

type collation uint8

const (
	collateBinary collation = iota
	collateNoCase
	collateRTrim
)

// String returns SQL's name of the collation.
func (c collation) String() string { return [...]string{"BINARY", "NOCASE", "RTRIM"}[c] }

func newSchema(version uint64, tables []*Table) *Schema {
	s := &Schema{Version: version, Tables: tables, byName: map[string]*Table{}, byID: map[int]*Table{}}
	for _, t := range tables {
		s.byName[t.Name] = t
		s.byID[t.ID] = t
	}
	return s
}

// translate rewrites a block that names tables and columns by an older schema
// into the present one's numbers. Table numbers are ids and stay.
func (s *Schema) translate(old *Schema, b *wire.Block) *wire.Refusal {
	was, is := old.ByID(b.Table), s.ByID(b.Table)
	switch {
	case was == nil || !was.Synced:
		return wire.Refuse(wire.CodeUnknownTable, "schema version %d has no table %d", old.Version, b.Table)
	case is == nil || !is.Synced:
		return wire.Refuse(wire.CodeSchema, "table %q is gone since schema version %d", was.Name, old.Version)
	}
	for i, n := range b.Columns {
		if n >= len(was.Columns) {
			return wire.Refuse(wire.CodeUnknownColumn, "table %q has no column %d in schema version %d", was.Name, n, old.Version)
		}
		at := slices.IndexFunc(is.Columns, func(c Column) bool { return c.ID == was.Columns[n].ID })
		if at < 0 || is.Columns[at].Type != was.Columns[n].Type {
			return wire.Refuse(wire.CodeSchema, "column %q of table %q has changed since schema version %d",
				was.Columns[n].Name, was.Name, old.Version)
		}
		b.Columns[i] = at
	}
	return nil
}

package wire

import (
	"math"
	"strings"
)

// OwnTable says whether a table is the hub's own, which only those get who ask for
// it by name.
func OwnTable(name string) bool { return strings.HasPrefix(name, "framehub_") }

// ByDefault says whether a device that does not say what it wants is sent a table,
// which it has those rights to.
func ByDefault(name string, rights Rights) bool {
	return rights&(RightRead|OnDemand) == RightRead && !OwnTable(name)
}

// DecodeSchema reads the message that announces another schema.
func DecodeSchema(msg []byte, l Limits) (Schema, error) {
	f := open(msg, l.orDefaults(), TypeSchema)
	s := f.schema()
	if err := f.close(); err != nil {
		return Schema{}, err
	}
	return s, nil
}

func (f *fields) schema() Schema {
	in := f.tuple("the schema")
	s := Schema{
		Version: in.uint("the schema's version", MaxVersion),
		Tables:  each(in.array("the schema's tables", math.MaxInt), (*fields).schemaTable),
	}
	in.end()
	return s
}

func (f *fields) schemaTable() SchemaTable {
	in := f.tuple("a table of the schema")
	t := SchemaTable{
		Number:    in.int("a table's number", math.MaxInt32),
		Name:      in.text("a table's name"),
		KeyLength: in.int("a table's key length", MaxColumns),
		Scope:     in.maybeInt("a table's scope column", MaxColumns-1),
		Columns:   each(in.array("a table's columns", MaxColumns), (*fields).schemaColumn),
		Rights:    Rights(in.int("a table's rights", math.MaxUint8)),
		Class:     in.text("a table's class"),
	}
	in.end()
	if t.KeyLength > len(t.Columns) || t.Scope >= len(t.Columns) {
		f.fail(protocolErrorf("table %s has %d columns, too few for its key or its scope column", t.Name, len(t.Columns)))
	}
	return t
}

func (f *fields) schemaColumn() SchemaColumn {
	in := f.tuple("a column of the schema")
	c := SchemaColumn{
		Name:  in.text("a column's name"),
		Type:  in.text("a column's type"),
		Flags: ColumnFlags(max(0, in.maybeInt("a column's flags", math.MaxUint8))),
	}
	in.end()
	return c
}

// Append appends the message.
func (s *Schema) Append(dst []byte) []byte {
	return s.appendBare(appendUint(appendArray(dst, 2), uint64(TypeSchema)))
}

// appendBare appends the schema as it stands in both messages that have one.
func (s *Schema) appendBare(dst []byte) []byte {
	dst = appendUint(appendArray(dst, 2), s.Version)
	dst = appendArray(dst, len(s.Tables))
	for i := range s.Tables {
		dst = s.Tables[i].append(dst)
	}
	return dst
}

func (t *SchemaTable) append(dst []byte) []byte {
	dst = appendUint(appendArray(dst, 7), uint64(t.Number))
	dst = appendText(dst, t.Name)
	dst = appendUint(dst, uint64(t.KeyLength))
	dst = appendUintOrNull(dst, uint64(t.Scope), t.Scope >= 0)
	dst = appendArray(dst, len(t.Columns))
	for _, c := range t.Columns {
		dst = appendText(appendArray(dst, 3), c.Name)
		dst = appendText(dst, c.Type)
		dst = appendUint(dst, uint64(c.Flags))
	}
	dst = appendUint(dst, uint64(t.Rights))
	return appendText(dst, t.Class)
}

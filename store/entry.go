package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// The frame log's entry: a CBOR array, then its CRC-32C, little endian. Rows lie
// in blocks of the wire's form; columns are told by their ids, so that an entry
// can be read under every later schema.
type entryDoc struct {
	_       struct{} `cbor:",toarray"`
	Time    int64    // µs since 1970
	Schema  uint64
	Reshape bool
	Devices [][]byte // that wrote, were refused or got an owner, which then follows the id; the others count in it
	Writers []writerDoc
	Refused []refusedDoc
	Tables  []changeDoc

	Sequences []byte // sqlite_sequence, a block of (name, seq); null: as it was
}

type writerDoc struct {
	_      struct{} `cbor:",toarray"`
	Device int
	Seq    uint64
}

type refusedDoc struct {
	_       struct{} `cbor:",toarray"`
	Device  int
	Seq     uint64
	Code    string
	Text    string
	Op, Row int
}

// changeDoc is a table's rows. Meta has a row each of flags, mask, writer;
// Images those that are there after, Keys those that are not, Scopes those that
// were there before, in a table that has a scope, all in Meta's order. The
// blocks number the columns by their place in Columns; Images are as many blocks
// as it takes, each with the next columns. Without a row it says that another program
// has written to the table, what is not known.
type changeDoc struct {
	_       struct{} `cbor:",toarray"`
	Table   int
	Columns []int // their ids, the key first
	Key     int
	Meta    []byte
	Images  [][]byte
	Keys    []byte
	Scopes  []byte
	Also    []alsoDoc
	Odd     []oddDoc
}

// oddDoc is a value that a block can't carry, an infinity or a text that is not
// UTF-8, as its bytes; the block has NULL in its place.
type oddDoc struct {
	_     struct{} `cbor:",toarray"`
	Row   int32    // in Meta
	Place int      // in Columns
	Kind  wire.Kind
	Bytes []byte
}

type alsoDoc struct {
	_       struct{} `cbor:",toarray"`
	Row     int32
	Writers []int32
}

// The flags in Meta.
const (
	flagBefore = 1 << iota
	flagAfter
	flagReborn
)

// An entryEncoder keeps the buffers that entries are encoded in: those of large frames
// cost more to make than to fill. The zero value is ready.
type entryEncoder struct {
	blocks []byte
	out    bytes.Buffer
}

// keptBuffer is the largest buffer that is kept.
const keptBuffer = 4 << 20

// encode returns an entry as the log keeps it, until the next call.
func (w *entryEncoder) encode(e *Entry) ([]byte, error) {
	if cap(w.blocks) > keptBuffer || w.out.Cap() > keptBuffer {
		*w = entryEncoder{}
	}
	w.blocks = w.blocks[:0]
	w.out.Reset()
	doc := entryDoc{Time: e.Time.UnixMicro(), Schema: e.Schema.Version, Reshape: e.Reshape}
	devices := map[Device]int{}
	device := func(d Device) int {
		i, ok := devices[d]
		if !ok {
			i = len(doc.Devices)
			devices[d] = i
			doc.Devices = append(doc.Devices, d[:])
		}
		return i
	}
	for _, o := range e.Owners {
		devices[o.Device] = len(doc.Devices)
		doc.Devices = append(doc.Devices, slices.Concat(o.Device[:], []byte(o.User)))
	}
	for _, w := range e.Writers {
		doc.Writers = append(doc.Writers, writerDoc{Device: device(w.Device), Seq: w.Seq})
	}
	for _, o := range e.Refused {
		doc.Refused = append(doc.Refused, refusedDoc{
			Device: device(o.Device), Seq: o.Seq, Code: string(o.Code), Text: o.Text, Op: o.Op, Row: o.Row,
		})
	}
	for _, c := range e.Tables {
		doc.Tables = append(doc.Tables, w.change(c))
	}
	for _, t := range e.Foreign {
		doc.Tables = append(doc.Tables, foreignDoc(t))
	}
	if e.sequences != nil {
		g := wire.Grid{Stride: 2, Values: withoutOdd(e.sequences)}
		doc.Sequences = w.block(0, []int{0, 1}, nil, g, nil)
	}
	w.out.Grow(len(w.blocks) + crc32.Size)
	if err := cbor.MarshalToBuffer(&doc, &w.out); err != nil {
		return nil, err
	}
	e.size = w.out.Len() + crc32.Size
	sum := crc32.Checksum(w.out.Bytes(), castagnoli)
	return binary.LittleEndian.AppendUint32(w.out.Bytes(), sum), nil
}

// block encodes a block behind those before it. Where there is no more room, those stay
// where they were.
func (w *entryEncoder) block(table int, columns, at []int, g wire.Grid, pick []int32) []byte {
	from := len(w.blocks)
	w.blocks = wire.AppendBlock(w.blocks, table, columns, at, g, pick)
	return slices.Clip(w.blocks[from:])
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// withoutOdd returns values with NULL for what a block can't carry.
func withoutOdd(values []wire.Value) []wire.Value {
	values = slices.Clone(values)
	for i := range values {
		if !values[i].Valid() {
			values[i] = wire.Value{}
		}
	}
	return values
}

// oddValues returns the values of rows that a block can't carry.
func (c *Change) oddValues() (odd []oddDoc) {
	for i, v := range c.Images.Values {
		if v.Valid() {
			continue
		}
		b := []byte(v.Bytes())
		if v.Kind() == wire.Real {
			b = binary.LittleEndian.AppendUint64(nil, math.Float64bits(v.Float64()))
		}
		odd = append(odd, oddDoc{Row: int32(i / c.Images.Stride), Place: i % c.Images.Stride, Kind: v.Kind(), Bytes: b})
	}
	return odd
}

func (w *entryEncoder) change(c *Change) changeDoc {
	t := c.Table
	doc := changeDoc{Table: t.ID, Columns: t.columnIDs(), Key: t.Key}
	images := c.Images
	if c.Odd {
		doc.Odd = c.oddValues()
		images.Values = withoutOdd(images.Values)
	}
	meta := wire.Grid{Stride: 3, Values: make([]wire.Value, 0, 3*len(c.Rows))}
	scopes := wire.Grid{Stride: 1}
	var after, gone []int32
	for i := range c.Rows {
		row := &c.Rows[i]
		flags := int64(0)
		if row.Before {
			flags |= flagBefore
			if t.Scope >= 0 {
				scopes.Values = append(scopes.Values, row.Scope)
			}
		}
		if row.After {
			flags |= flagAfter
			after = append(after, int32(i))
		} else {
			gone = append(gone, int32(i))
		}
		if row.Reborn {
			flags |= flagReborn
		}
		meta.Values = append(meta.Values, wire.IntegerValue(flags), wire.IntegerValue(int64(row.Mask)), wire.IntegerValue(int64(row.By)))
	}
	doc.Meta = w.block(0, []int{0, 1, 2}, nil, meta, nil)
	if len(after) > 0 {
		for at := 0; at < len(t.Columns); at += wire.MaxColumns {
			places := rangeOf(at, min(at+wire.MaxColumns, len(t.Columns)))
			doc.Images = append(doc.Images, w.block(t.ID, rangeOf(0, len(places)), places, images, after))
		}
	}
	if len(gone) > 0 {
		doc.Keys = w.block(t.ID, rangeOf(0, t.Key), nil, images, gone)
	}
	if len(scopes.Values) > 0 {
		if c.Odd {
			scopes.Values = withoutOdd(scopes.Values)
		}
		doc.Scopes = w.block(t.ID, []int{0}, nil, scopes, nil)
	}
	for row, writers := range c.Also {
		doc.Also = append(doc.Also, alsoDoc{Row: row, Writers: writers})
	}
	return doc
}

// foreignDoc says of a table that another program has written to it.
func foreignDoc(t *Table) changeDoc {
	meta := wire.AppendBlock(nil, 0, []int{0, 1, 2}, nil, wire.Grid{Stride: 3}, nil)
	return changeDoc{Table: t.ID, Columns: t.columnIDs(), Key: t.Key, Meta: meta}
}

// foreign says whether it is one of [foreignDoc].
func (doc *changeDoc) foreign() bool { return len(doc.Images) == 0 && len(doc.Keys) == 0 }

// rangeOf returns the numbers from from up to to.
func rangeOf(from, to int) []int {
	out := make([]int, to-from)
	for i := range out {
		out[i] = from + i
	}
	return out
}

func (t *Table) columnIDs() []int {
	ids := make([]int, len(t.Columns))
	for i := range t.Columns {
		ids[i] = t.Columns[i].ID
	}
	return ids
}

package store

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// The frame log's entry: a CBOR array. Rows lie in blocks of the wire's form,
// with the ids of columns for their numbers, so that an entry can be read under
// every later schema.
type entryDoc struct {
	_       struct{} `cbor:",toarray"`
	Time    int64    // µs since 1970
	Schema  uint64
	Reshape bool
	Devices [][]byte // that wrote or were refused; the others count in it
	Writers []writerDoc
	Refused []refusedDoc
	Tables  []changeDoc
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
// were there before, in a table that has a scope, all in Meta's order.
type changeDoc struct {
	_      struct{} `cbor:",toarray"`
	Table  int
	Meta   []byte
	Images []byte
	Keys   []byte
	Scopes []byte
	Also   []alsoDoc
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

var entryMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: 1 << 30, MaxNestedLevels: 8}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}()

// encode returns the entry as the log keeps it.
func (e *Entry) encode() ([]byte, error) {
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
	for _, w := range e.Writers {
		doc.Writers = append(doc.Writers, writerDoc{Device: device(w.Device), Seq: w.Seq})
	}
	for _, o := range e.Refused {
		doc.Refused = append(doc.Refused, refusedDoc{
			Device: device(o.Device), Seq: o.Seq, Code: string(o.Code), Text: o.Text, Op: o.Op, Row: o.Row,
		})
	}
	for _, c := range e.Tables {
		doc.Tables = append(doc.Tables, c.encode())
	}
	return cbor.Marshal(&doc)
}

func (c *Change) encode() changeDoc {
	t := c.Table
	doc := changeDoc{Table: t.ID}
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
	doc.Meta = wire.AppendBlock(nil, 0, []int{0, 1, 2}, nil, meta, nil)
	ids := t.columnIDs()
	if len(after) > 0 {
		doc.Images = wire.AppendBlock(nil, t.ID, ids, nil, c.Images, after)
	}
	if len(gone) > 0 {
		doc.Keys = wire.AppendBlock(nil, t.ID, ids[:t.Key], nil, c.Images, gone)
	}
	if len(scopes.Values) > 0 {
		doc.Scopes = wire.AppendBlock(nil, t.ID, []int{0}, nil, scopes, nil)
	}
	for row, writers := range c.Also {
		doc.Also = append(doc.Also, alsoDoc{Row: row, Writers: writers})
	}
	return doc
}

func (t *Table) columnIDs() []int {
	ids := make([]int, len(t.Columns))
	for i := range t.Columns {
		ids[i] = t.Columns[i].ID
	}
	return ids
}

// decodeEntry reads an entry. Rows come in the schema now in force, without the
// tables and columns that it no longer has; columns that are new since have
// NULL, so that for a table that has changed its shape since the entry only
// replay has a use.
func decodeEntry(version uint64, b []byte, now *Schema) (*Entry, error) {
	var doc entryDoc
	if err := entryMode.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("read entry %d of the frame log: %w", version, err)
	}
	e := &Entry{Version: version, Time: time.UnixMicro(doc.Time).UTC(), Schema: now, Reshape: doc.Reshape}
	device := func(i int) (d Device) {
		if i >= 0 && i < len(doc.Devices) {
			copy(d[:], doc.Devices[i])
		}
		return d
	}
	for _, w := range doc.Writers {
		e.Writers = append(e.Writers, Writer{Device: device(w.Device), Seq: w.Seq})
	}
	for _, r := range doc.Refused {
		refusal := wire.Refusal{Code: wire.Code(r.Code), Text: r.Text, Op: r.Op, Row: r.Row}
		e.Refused = append(e.Refused, Outcome{Device: device(r.Device), Rejected: wire.Rejected{Seq: r.Seq, Refusal: refusal}})
	}
	for i := range doc.Tables {
		t := now.ByID(doc.Tables[i].Table)
		if t == nil {
			continue
		}
		if err := e.change(t).decode(&doc.Tables[i]); err != nil {
			return nil, fmt.Errorf("read entry %d of the frame log, table %q: %w", version, t.Name, err)
		}
	}
	return e, nil
}

var errShape = errors.New("its parts don't fit together")

func (c *Change) decode(doc *changeDoc) error {
	meta, err := wire.DecodeBlock(doc.Meta, math.MaxInt32)
	if err != nil {
		return err
	}
	if len(meta.Cols) != 3 {
		return errShape
	}
	images, keys, scopes, err := doc.blocks()
	if err != nil {
		return err
	}
	t := c.Table
	if c.have, err = t.placesOf(&images); err != nil {
		return err
	}
	if keys.N > 0 && len(keys.Cols) != t.Key {
		return errShape
	}
	c.Rows = make([]Row, meta.N)
	c.Images.Values = make([]wire.Value, meta.N*c.Images.Stride)
	at, gone, scope := 0, 0, 0
	for i := range c.Rows {
		flags := meta.Value(0, i).Int64()
		row := Row{
			Before: flags&flagBefore != 0, After: flags&flagAfter != 0, Reborn: flags&flagReborn != 0,
			Mask: uint64(meta.Value(1, i).Int64()), By: int32(meta.Value(2, i).Int64()),
		}
		if row.After && at >= images.N || !row.After && gone >= keys.N || row.Before && t.Scope >= 0 && scope >= scopes.N {
			return errShape
		}
		image := c.Images.Row(i)
		if row.After {
			for col, place := range c.have {
				if place >= 0 {
					image[place] = images.Value(col, at)
				}
			}
			at++
		} else {
			keys.Row(image[:0], gone)
			gone++
		}
		if row.Before && t.Scope >= 0 {
			row.Scope = scopes.Value(0, scope)
			scope++
		}
		c.Rows[i] = row
		c.index[t.key(image)] = int32(i)
	}
	for _, a := range doc.Also {
		for _, w := range a.Writers {
			c.also(a.Row, w)
		}
	}
	return nil
}

// placesOf returns where each of a block's columns, which are named by their
// ids, has its place now, -1 for one that is gone.
func (t *Table) placesOf(b *wire.Block) ([]int, error) {
	places := make([]int, len(b.Columns))
	key := 0
	for i, id := range b.Columns {
		places[i] = slices.IndexFunc(t.Columns, func(c Column) bool { return c.ID == id })
		if places[i] >= 0 && places[i] < t.Key {
			key++
		}
	}
	if b.N > 0 && key != t.Key {
		return nil, errShape
	}
	return places, nil
}

func (doc *changeDoc) blocks() (images, keys, scopes wire.Block, err error) {
	for _, part := range []struct {
		to   *wire.Block
		from []byte
	}{{&images, doc.Images}, {&keys, doc.Keys}, {&scopes, doc.Scopes}} {
		if len(part.from) == 0 {
			continue
		}
		if *part.to, err = wire.DecodeBlock(part.from, math.MaxInt32); err != nil {
			return images, keys, scopes, err
		}
	}
	return images, keys, scopes, nil
}

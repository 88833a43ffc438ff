package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

var entryMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: 1 << 30, MaxNestedLevels: 8}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}()

var (
	errShape = errors.New("its parts don't fit together")
	errSum   = errors.New("its checksum is wrong: the file is damaged, restore a backup")
)

// decodeEntry reads an entry. Rows come in the schema now in force, without the
// tables and columns that it no longer has; columns that are new since have
// NULL, so that for a table that has changed its shape since the entry only
// replay has a use.
func decodeEntry(version uint64, b []byte, now *Schema) (*Entry, error) {
	e, err := decodeSummed(b, now)
	if err != nil {
		return nil, fmt.Errorf("read entry %d of the frame log: %w", version, err)
	}
	e.Version, e.size = version, len(b)
	return e, nil
}

func decodeSummed(b []byte, now *Schema) (*Entry, error) {
	doc, err := decodeDoc(b)
	if err != nil {
		return nil, err
	}
	return doc.entry(now)
}

func decodeDoc(b []byte) (*entryDoc, error) {
	end := len(b) - crc32.Size
	if end < 0 || crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, errSum
	}
	var doc entryDoc
	if err := entryMode.Unmarshal(b[:end], &doc); err != nil {
		return nil, err
	}
	return &doc, nil
}

func (doc *entryDoc) entry(now *Schema) (*Entry, error) {
	e := &Entry{Time: time.UnixMicro(doc.Time).UTC(), Schema: now, Reshape: doc.Reshape}
	for _, b := range doc.Devices {
		if len(b) > len(Device{}) {
			e.Owners = append(e.Owners, Owner{Device: Device(b), User: string(b[len(Device{}):])})
		}
	}
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
		if doc.Tables[i].foreign() {
			e.Foreign = append(e.Foreign, t)
			continue
		}
		if err := e.change(t).decode(&doc.Tables[i], len(e.Writers)); err != nil {
			return nil, fmt.Errorf("table %q: %w", t.Name, err)
		}
	}
	if doc.Sequences != nil {
		block, err := wire.DecodeBlock(doc.Sequences, math.MaxInt32)
		if err != nil || len(block.Cols) != 2 {
			return nil, errors.Join(errShape, err)
		}
		e.sequences = block.Grid().Values
	}
	return e, nil
}

// changeBlocks are the blocks of a changeDoc.
type changeBlocks struct {
	meta, keys, scopes wire.Block
	images             []wire.Block
}

func (doc *changeDoc) blocks() (b changeBlocks, err error) {
	b.images = make([]wire.Block, len(doc.Images))
	n := 0
	for i := range doc.Images {
		if b.images[i], err = wire.DecodeBlock(doc.Images[i], math.MaxInt32); err != nil {
			return b, err
		}
		if b.images[i].N != b.images[0].N {
			return b, errShape
		}
		n += len(b.images[i].Cols)
	}
	for _, part := range []struct {
		to   *wire.Block
		from []byte
	}{{&b.meta, doc.Meta}, {&b.keys, doc.Keys}, {&b.scopes, doc.Scopes}} {
		if len(part.from) == 0 {
			continue
		}
		if *part.to, err = wire.DecodeBlock(part.from, math.MaxInt32); err != nil {
			return b, err
		}
	}
	if len(b.meta.Cols) != 3 || n != 0 && n != len(doc.Columns) || b.keys.N > 0 && len(b.keys.Cols) != doc.Key {
		return b, errShape
	}
	return b, nil
}

// places returns where each of the doc's columns has its place now, -1 for one
// that is gone. A table whose key has changed has another id.
func (doc *changeDoc) places(t *Table) ([]int, error) {
	if doc.Key != t.Key || len(doc.Columns) < t.Key {
		return nil, errShape
	}
	places := make([]int, len(doc.Columns))
	for i, id := range doc.Columns {
		places[i] = slices.IndexFunc(t.Columns, func(c Column) bool { return c.ID == id })
		if i < t.Key && places[i] != i {
			return nil, errShape
		}
	}
	return places, nil
}

func (c *Change) decode(doc *changeDoc, writers int) (err error) {
	if c.have, err = doc.places(c.Table); err != nil {
		return err
	}
	b, err := doc.blocks()
	if err != nil {
		return err
	}
	c.Rows = make([]Row, b.meta.N)
	c.Images.Values = make([]wire.Value, b.meta.N*c.Images.Stride)
	if err := c.decodeRows(&b, writers); err != nil {
		return err
	}
	c.Odd = len(doc.Odd) > 0
	if err := c.decodeOdd(doc.Odd); err != nil {
		return err
	}
	for i := range c.Rows {
		if c.Table.intKey && c.Images.Row(i)[0].Kind() != wire.Integer {
			return errShape
		}
	}
	for _, a := range doc.Also {
		for _, w := range a.Writers {
			if a.Row < 0 || int(a.Row) >= len(c.Rows) || w < 0 || int(w) >= writers {
				return errShape
			}
			c.also(a.Row, w)
		}
	}
	return nil
}

func (c *Change) decodeRows(b *changeBlocks, writers int) error {
	scoped := c.Table.Scope >= 0
	images := 0
	if len(b.images) > 0 {
		images = b.images[0].N
	}
	at, gone, scope := 0, 0, 0
	for i := range c.Rows {
		row := decodeRow(&b.meta, i)
		switch {
		case row.After && at >= images, !row.After && gone >= b.keys.N, row.By < 0 || int(row.By) >= writers:
			return errShape
		case row.After:
			c.decodeImage(b.images, at, i)
			at++
		default:
			b.keys.Row(c.Images.Row(i)[:0], gone)
			gone++
		}
		if row.Before && scoped && scope < b.scopes.N { // none, where the scope is newer than the entry
			row.Scope = b.scopes.Value(0, scope)
			scope++
		}
		c.Rows[i] = row
	}
	return nil
}

func decodeRow(meta *wire.Block, i int) Row {
	flags := meta.Value(0, i).Int64()
	return Row{
		Before: flags&flagBefore != 0, After: flags&flagAfter != 0, Reborn: flags&flagReborn != 0,
		Mask: uint64(meta.Value(1, i).Int64()), By: int32(meta.Value(2, i).Int64()),
	}
}

func (c *Change) decodeImage(images []wire.Block, from, to int) {
	image, at := c.Images.Row(to), 0
	for p := range images {
		for col := range images[p].Cols {
			if place := c.have[at]; place >= 0 {
				image[place] = images[p].Value(col, from)
			}
			at++
		}
	}
}

func (c *Change) decodeOdd(odd []oddDoc) error {
	for _, o := range odd {
		if o.Row < 0 || int(o.Row) >= len(c.Rows) || o.Place < 0 || o.Place >= len(c.have) {
			return errShape
		}
		v := wire.TextValue(string(o.Bytes))
		if o.Kind == wire.Real && len(o.Bytes) == 8 {
			v = wire.RealValue(math.Float64frombits(binary.LittleEndian.Uint64(o.Bytes)))
		}
		if place := c.have[o.Place]; place >= 0 {
			c.Images.Row(int(o.Row))[place] = v
		}
	}
	return nil
}

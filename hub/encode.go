package hub

import (
	"slices"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// form is how a session takes its messages.
type form struct {
	max  int  // bytes of a message
	zstd bool // they may come packed

	authors bool // frames tell who wrote: it is a server
}

// packAt is the size from which packing is tried: below it there is nothing to gain.
const packAt = 512

// pack packs a message where the session takes that and it helps.
func (f form) pack(msg []byte) []byte {
	if !f.zstd || len(msg) < packAt {
		return msg
	}
	if packed := wire.Pack(nil, msg); len(packed) < len(msg)*9/10 {
		return packed
	}
	return msg
}

// A body is the part of a frame that sessions share whatever they were sent
// before; a frame too large for one message has several.
type body struct {
	rest    []byte // all that follows a frame's time
	authors bool   // it ends with them
}

// bodies encodes deltas into as many bodies as the form asks for, one at least;
// writers are those that their credits count in.
func (f form) bodies(deltas []delta, writers []store.Writer, complete []int) []body {
	p := packer{room: f.max - wire.FrameOverhead(len(complete))}
	for i := range deltas {
		d := &deltas[i]
		key := keyColumns(d.table.Key)
		if len(d.removed) > 0 {
			p.removing = true
			p.add(d, picked{columns: key, rows: d.removed})
		}
		p.removing = false
		for _, c := range d.changed {
			p.add(d, c)
		}
	}
	p.addAuthors(deltas, writers)
	p.next()
	out := make([]body, len(p.parts))
	for i, part := range p.parts {
		rest := wire.AppendFrameBody(nil, part.changed, part.removed, i < len(p.parts)-1, complete, complete == nil)
		if len(part.authors) > 0 {
			rest = wire.AppendAuthors(rest, part.authors)
		}
		out[i] = body{rest, len(part.authors) > 0}
	}
	return out
}

// frame returns the messages of a frame with these bodies.
func (f form) frame(bodies []body, version, previous uint64, at time.Time) [][]byte {
	out := make([][]byte, len(bodies))
	for i, b := range bodies {
		msg := make([]byte, 0, wire.FrameOverhead(0)+len(b.rest))
		msg = wire.AppendFrameHead(msg, version, previous, at, b.authors)
		out[i] = f.pack(append(msg, b.rest...))
	}
	return out
}

func keyColumns(n int) []int {
	columns := make([]int, n)
	for i := range columns {
		columns[i] = i
	}
	return columns
}

// A packer puts blocks and authors into parts that each fit one message.
type packer struct {
	room     int // bytes for the blocks of a part
	removing bool

	parts []part
	now   part
	size  int
}

type part struct{ changed, removed, authors [][]byte }

// add encodes rows, in more than one block where they don't fit one.
func (p *packer) add(d *delta, rows picked) {
	block := wire.AppendBlock(nil, d.table.ID, rows.columns, rows.columns, d.rows, rows.rows)
	switch {
	case len(block) <= p.room-p.size:
		p.put(block)
	case len(block) <= p.room:
		p.next()
		p.put(block)
	case len(rows.rows) == 1:
		p.addLarge(d, rows)
	default:
		p.split(d, rows, len(block))
	}
}

// split adds rows in pieces that, going by what all of them took, should fit.
func (p *packer) split(d *delta, rows picked, size int) {
	pieces := min(size*5/4/p.room+1, len(rows.rows))
	pieces = max(pieces, 2)
	for i := range pieces {
		from, to := i*len(rows.rows)/pieces, (i+1)*len(rows.rows)/pieces
		p.add(d, picked{columns: rows.columns, rows: rows.rows[from:to]})
	}
}

// addLarge adds a row that is larger than a message: its largest values are left
// out until it fits, and the device reads them in pieces. A row whose key alone
// does not fit is left out: nothing could tell the device of it.
func (p *packer) addLarge(d *delta, rows picked) {
	row := slices.Clone(d.rows.Row(int(rows.rows[0])))
	for {
		block := wire.AppendBlock(nil, d.table.ID, rows.columns, rows.columns, wire.Grid{Stride: d.rows.Stride, Values: row}, nil)
		if len(block) <= p.room {
			if len(block) > p.room-p.size {
				p.next()
			}
			p.put(block)
			return
		}
		large := largest(row, rows.columns[d.table.Key:])
		if large < 0 {
			return
		}
		row[large] = wire.UndefinedValue()
	}
}

// largest returns where the largest text or blob is, -1 where there is none.
func largest(row []wire.Value, places []int) int {
	at := -1
	for _, c := range places {
		if row[c].Len() > 0 && (at < 0 || row[c].Len() > row[at].Len()) {
			at = c
		}
	}
	return at
}

func (p *packer) put(block []byte) {
	if p.removing {
		p.now.removed = append(p.now.removed, block)
	} else {
		p.now.changed = append(p.now.changed, block)
	}
	p.size += len(block)
}

// next ends a part. There is one part at least, even if empty.
func (p *packer) next() {
	if p.size > 0 || len(p.parts) == 0 {
		p.parts = append(p.parts, p.now)
	}
	p.now, p.size = part{}, 0
}

package wire

import "math"

// An Author is a transaction, and the keys of rows of one table that it wrote: in
// frames for the role server (protocol, section 4).
type Author struct {
	Device []byte // 16 bytes
	Seq    uint64
	Table  int
	Keys   Grid // a row for each key
}

// author reads an author.
func (f *fields) author() Author {
	const what = "an author"
	t := f.tuple(what)
	a := Author{
		Device: t.device("an author's device"),
		Seq:    t.uint("the number of an author's transaction", MaxVersion),
		Table:  t.int("an author's table", math.MaxInt32),
		Keys:   t.keys(),
	}
	t.end()
	return a
}

// keys reads keys of one table: a column, as a block has them, or where keys are
// composite an array of keys.
func (f *fields) keys() Grid {
	const what = "an author's keys"
	if f.at(majorTag) {
		f.n--
		return f.typedKeys()
	}
	g := Grid{}
	list := f.array(what, math.MaxInt)
	for list.n > 0 && list.r.err == nil {
		before := len(g.Values)
		if list.at(majorArray) {
			g.Values = append(g.Values, list.key()...)
		} else {
			g.Values = append(g.Values, list.value(what))
		}
		n := len(g.Values) - before
		if g.Stride == 0 {
			g.Stride = n
		}
		if n != g.Stride {
			list.fail(protocolErrorf("%s are of %d columns, and of %d", what, g.Stride, n))
		}
	}
	return g
}

// typedKeys reads a typed array of keys, however long it is.
func (f *fields) typedKeys() Grid {
	_, _, tag, err := f.r.head()
	f.fail(err)
	if f.r.err != nil {
		return Grid{}
	}
	if tag >= uint64(len(formOfTag)) || formOfTag[tag] == Cells {
		f.fail(protocolErrorf("an author's keys have the CBOR tag %d, which is not one of the typed arrays of the protocol", tag))
		return Grid{}
	}
	form := formOfTag[tag]
	raw, err := f.r.bytes("a typed array")
	switch {
	case err != nil:
		f.fail(err)
	case len(raw)%form.Size() != 0:
		f.fail(protocolErrorf("an author's keys are %d bytes, in elements of %d", len(raw), form.Size()))
	case !finite(form, raw):
		f.fail(errNotFinite)
	default:
		b := Block{N: len(raw) / form.Size(), Cols: []Column{{Form: form}}, Data: raw}
		return b.Grid()
	}
	return Grid{}
}

// AppendAuthor appends an author: whose transaction wrote the rows of g that pick
// names (nil: all), of which the first key values are the key.
func AppendAuthor(dst, device []byte, seq uint64, table, key int, g Grid, pick []int32) []byte {
	dst = appendBytes(appendArray(dst, 4), device)
	dst = appendUint(appendUint(dst, seq), uint64(table))
	n := len(pick)
	if pick == nil {
		n = g.Rows()
	}
	if key == 1 {
		return appendColumn(dst, column{g: g, pick: pick, n: n})
	}
	dst = appendArray(dst, n)
	for i := range n {
		row := i
		if pick != nil {
			row = int(pick[i])
		}
		dst = appendValues(dst, g.Row(row)[:key])
	}
	return dst
}

// AppendAuthors appends the authors of a frame as [AppendAuthor] encoded them.
func AppendAuthors(dst []byte, authors [][]byte) []byte {
	return appendAll(appendArray(dst, len(authors)), authors)
}

func encodeAuthors(authors []Author) [][]byte {
	encoded := make([][]byte, len(authors))
	for i := range authors {
		a := &authors[i]
		encoded[i] = AppendAuthor(nil, a.Device, a.Seq, a.Table, a.Keys.Stride, a.Keys, nil)
	}
	return encoded
}

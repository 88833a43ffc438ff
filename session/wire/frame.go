package wire

import (
	"math"
	"time"
)

// DecodeSnapshot reads a part of a snapshot. Every element after the version is
// a block.
func DecodeSnapshot(msg []byte, l Limits) (Snapshot, error) {
	f := open(msg, l.orDefaults(), TypeSnapshot)
	s := Snapshot{ID: f.uint("a snapshot's id", MaxVersion), Version: f.uint("a snapshot's version", MaxVersion)}
	s.Blocks = each(f, (*fields).block)
	f.n = 0
	if err := f.close(); err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

// AppendSnapshot appends a part of a snapshot, its blocks as [AppendBlock]
// encoded them. It takes [SnapshotOverhead] bytes at most besides the blocks.
func AppendSnapshot(dst []byte, id, version uint64, blocks [][]byte) []byte {
	dst = appendUint(appendArray(dst, 3+len(blocks)), uint64(TypeSnapshot))
	dst = appendUint(appendUint(dst, id), version)
	return appendAll(dst, blocks)
}

// Append appends the message.
func (s *Snapshot) Append(dst []byte) []byte {
	return AppendSnapshot(dst, s.ID, s.Version, encodeBlocks(s.Blocks))
}

// DecodeSnapshotEnd reads what puts a snapshot in place, or refuses it.
func DecodeSnapshotEnd(msg []byte, l Limits) (SnapshotEnd, error) {
	f := open(msg, l.orDefaults(), TypeSnapshotEnd)
	e := SnapshotEnd{ID: f.uint("a snapshot's id", MaxVersion)}
	if f.peek() {
		e.Version = f.uint("a snapshot's version", MaxVersion)
	} else {
		e.Refused = f.refusal()
	}
	if err := f.close(); err != nil {
		return SnapshotEnd{}, err
	}
	return e, nil
}

// Append appends the message.
func (e *SnapshotEnd) Append(dst []byte) []byte {
	if e.Refused != nil {
		return appendRefused(dst, TypeSnapshotEnd, e.ID, e.Refused)
	}
	dst = appendUint(appendArray(dst, 3), uint64(TypeSnapshotEnd))
	return appendUint(appendUint(dst, e.ID), e.Version)
}

// DecodeFrame reads a frame.
func DecodeFrame(msg []byte, l Limits) (Frame, error) {
	f := open(msg, l.orDefaults(), TypeFrame)
	m := Frame{
		Version:  f.uint("a frame's version", MaxVersion),
		Previous: f.uint("a frame's previous version", MaxVersion),
		Time:     f.time("a frame's time"),
		Changed:  f.blocks("a frame's changed rows"),
		Removed:  f.blocks("a frame's removed rows"),
		More:     f.bool("more"),
	}
	m.All = !f.peek()
	m.Complete = each(f.array("the list of complete subscriptions", math.MaxInt), func(f *fields) int {
		return f.int("the place of a subscription", math.MaxInt32)
	})
	m.Authors = each(f.array("the list of authors", math.MaxInt), (*fields).author)
	if err := f.close(); err != nil {
		return Frame{}, err
	}
	return m, nil
}

// frameElements is the length of every frame that we encode, but for authors. A
// frame's head counts its body, so a body that left out nulls at its end would
// need a head of its own; they cost three bytes.
const frameElements = 8

// AppendFrameHead appends the start of a frame, up to its time. What
// [AppendFrameBody] encoded must follow, and with authors what [AppendAuthors]
// did: sessions in step share all parts, the others all but this.
func AppendFrameHead(dst []byte, version, previous uint64, t time.Time, authors bool) []byte {
	n := frameElements
	if authors {
		n++
	}
	dst = appendUint(appendArray(dst, n), uint64(TypeFrame))
	dst = appendUint(appendUint(dst, version), previous)
	return appendTime(dst, t)
}

// AppendFrameBody appends the rest of a frame, its blocks as [AppendBlock]
// encoded them; with all, complete is not looked at. Head and body take
// [FrameOverhead] bytes at most besides the blocks.
func AppendFrameBody(dst []byte, changed, removed [][]byte, more bool, complete []int, all bool) []byte {
	dst = appendAll(appendArray(dst, len(changed)), changed)
	dst = appendAll(appendArray(dst, len(removed)), removed)
	dst = appendBool(dst, more)
	if all {
		return appendNull(dst)
	}
	dst = appendArray(dst, len(complete))
	for _, place := range complete {
		dst = appendUint(dst, uint64(place))
	}
	return dst
}

// Append appends the message.
func (m *Frame) Append(dst []byte) []byte {
	dst = AppendFrameHead(dst, m.Version, m.Previous, m.Time, len(m.Authors) > 0)
	dst = AppendFrameBody(dst, encodeBlocks(m.Changed), encodeBlocks(m.Removed), m.More, m.Complete, m.All)
	if len(m.Authors) == 0 {
		return dst
	}
	return AppendAuthors(dst, encodeAuthors(m.Authors))
}

// SnapshotOverhead is the most bytes that a snapshot takes besides its blocks.
const SnapshotOverhead = 5 + 1 + 9 + 9

// FrameOverhead returns the most bytes that a frame takes besides its blocks and
// authors, with so many subscriptions in its list of the complete ones.
func FrameOverhead(complete int) int {
	const head, lists = 1 + 1 + 9 + 9 + 9, 5 + 5 + 1 + 5 + 5
	return head + lists + 5*complete
}

func appendAll(dst []byte, items [][]byte) []byte {
	for _, item := range items {
		dst = append(dst, item...)
	}
	return dst
}

func encodeBlocks(blocks []Block) [][]byte {
	encoded := make([][]byte, len(blocks))
	for i := range blocks {
		encoded[i] = blocks[i].Append(nil)
	}
	return encoded
}

package wire

import (
	"math"
	"time"
)

// A Head is what stands first in a message, for those who count and time
// messages without reading them. What a type does not have is zero.
type Head struct {
	Type     Type
	ID       uint64    // of a snapshot, its end, or a piece
	Version  uint64    // of a frame, a snapshot, its end, what has settled, or a piece
	Previous uint64    // of a frame
	Time     time.Time // of a frame
}

// Peek reads the head of a hub's message and looks at nothing after it. A
// packed message is not unpacked.
func Peek(msg []byte) (Head, error) {
	f, t := openAny(msg, Limits{Message: math.MaxInt32})
	h := Head{Type: t}
	switch t {
	case TypeFrame:
		h.Version, h.Previous = f.uint("a frame's version", MaxVersion), f.uint("a frame's previous version", MaxVersion)
		h.Time = f.time("a frame's time")
	case TypeSettled:
		h.Version = f.uint("the version", MaxVersion)
	case TypeSnapshot, TypeSnapshotEnd, TypeReadPiece:
		h.ID = f.uint("an id", MaxVersion)
		h.Version, _ = f.maybeUint("a version", MaxVersion) // null: refused
	default: // no version
	}
	if f.r.err != nil {
		return Head{}, f.r.err
	}
	return h, nil
}

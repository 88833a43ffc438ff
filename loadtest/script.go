package loadtest

import (
	"time"

	"framehub/session/wire"
)

// A script is what one device writes. Each write names all columns of all of the
// device's rows, so that the last one says what must be in the database.
type script interface {
	// name tells the device from others, for people.
	name() string

	// count returns the number of writes.
	count() int

	// at returns when the i-th write is meant to be sent, since the start of the
	// run: rising by a microsecond at least.
	at(i int) time.Duration

	// write appends the rows of the i-th write to dst.
	write(dst []place, i int) (wire.OpKind, []place)
}

// A place is where an entity is.
type place struct {
	id                   int64
	x, y, heading, speed float64 // metres, metres, degrees, metres per second
}

// zone returns which part of the city a place is in: squares of 500 m, two in a
// row, counted from 1, as the example city has them.
func (p *place) zone() int64 {
	const side = 500
	return 1 + (int64(p.x)/side)&1 + 2*(int64(p.y)/side)
}

package durable

import "os"

// pieceSize is how many bytes may wait in memory, before they are written to the disk: few
// enough that whoever else wants it waits for milliseconds.
const pieceSize = 1 << 20

// Pieces writes a large file to the disk piece by piece. If all of it waited for one sync at
// the end, every other sync on that disk would wait with it, as those of frames.
type Pieces struct {
	File *os.File
	left int64
}

// Write implements [io.Writer].
func (p *Pieces) Write(b []byte) (int, error) {
	n, err := p.File.Write(b)
	if p.left += int64(n); err == nil && p.left >= pieceSize {
		p.left = 0
		err = drain(p.File)
	}
	return n, err
}

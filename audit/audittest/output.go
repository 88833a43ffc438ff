// Package audittest has what tests of logs share.
package audittest

import (
	"bytes"
	"strings"
	"sync"

	"framehub/audit"
)

// An Output is what is logged; it can be read beside that. The zero value is
// empty.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String returns all of it.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Take returns all of it, and empties it.
func (o *Output) Take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.buf.Reset()
	return o.buf.String()
}

// Lines returns the lines of an event.
func (o *Output) Lines(event audit.Event) (all []string) {
	for line := range strings.Lines(o.String()) {
		if strings.Contains(line, "audit=true event="+string(event)+" ") {
			all = append(all, line)
		}
	}
	return all
}

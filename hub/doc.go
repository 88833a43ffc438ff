// Package hub merges what devices write, frame by frame, into one store, and
// tells every device what it subscribed to.
//
// [Hub.Run] is the frame loop: at each boundary it takes the transactions that
// have come in, lets the store check and log them, and only then encodes the
// version for its audiences, once each. [Hub.Serve] is a device's session; it has
// the two goroutines of package session, and one more while a snapshot is read.
//
// The frame loop waits for nobody: it appends to a session's bounded queue, and
// a session whose queue is full is brought forward from the log by its own write
// loop.
//
// Locks are taken in this order: Hub.mu, client.mu, Hub.in.
//
// Start reading at [New], then tick.go for who closes frames, frame.go for the way
// in and broadcast.go for the way out; events go their own way, in events.go,
// route.go and mailbox.go.
package hub

// Package session is one device's connection: the WebSocket handshake, whole
// messages in and out within limits, liveness, and the goodbye; and the other end
// of it, the reference client.
//
// A [Session] is the hub's side. It has two goroutines: the read loop, in the
// goroutine that calls [Session.Run], and the write loop, its child, which it
// waits for. The read loop hands messages to a [Handler]; the write loop asks it
// for what to write. Nobody else ever waits for the peer. Start reading at
// [Accept] and [Session.Run], then write.go and link.go.
//
// A [Client] is the device's side of one connection, without goroutines: [Dial].
// A [Replica] keeps a copy of the tables from what a hub sends, and says where a
// hub breaks the protocol. A [Device] is both together, and connects again: Run
// has one more goroutine, for writing, while it is connected. Start reading at
// [NewDevice] and the examples, then deviceread.go and devicewrite.go, replica.go,
// frame.go and snapshot.go.
package session

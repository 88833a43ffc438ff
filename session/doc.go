// Package session is one device's connection: the WebSocket handshake, whole
// messages in and out within limits, liveness, and the goodbye. [Dial] is the
// reference client.
//
// A session on the hub's side has two goroutines: the read loop, in the
// goroutine that calls [Session.Run], and the write loop, its child, which it
// waits for. The read loop hands messages to a [Handler]; the write loop asks it
// for what to write. Nobody else ever waits for the peer.
//
// Start reading at [Accept] and [Session.Run].
package session

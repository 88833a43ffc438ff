// Package wire holds the sync protocol (docs/protocol.md), and is its only home:
// the hub, the Go client and the load test read and write messages through it
// and know no byte of them themselves.
//
// Start with messages.go, the messages as structs. For each there is a decoder
// ([DecodeWrite], [DecodeFrame], …) and an Append method; [TypeOf] says which
// decoder a message is for. What is sent often is encoded from parts that are
// encoded once: [AppendFrameHead], [AppendFrameBody], [AppendAuthors] and
// [AppendSnapshot] by the hub, [AppendOp] and [AppendWrite] by a client.
//
// Then block.go: rows travel in columns. [AppendBlock] encodes them from a
// [Grid]; a decoded [Block] reads them where they lie in the message.
//
// The package does no I/O and imports nothing of ours. A message that breaks the
// protocol is an [Error] with the code that ends the session, never a panic, and
// no message makes more memory than a fixed multiple of its length, or the limit
// given to [Unpack]. Everything may be called from any goroutine. Blocks point
// into the message, which must not change while they live; all else is copied.
//
// The vectors in testdata are the protocol for clients in other languages.
package wire

// Package store keeps the game's SQL database and the frame log beside it: it
// runs the transactions of a frame, makes them durable, and reads them back.
//
// A frame goes through three steps (log first):
//
//  1. check: [Frame.Apply] runs each transaction as SQL in the game database's
//     open transaction, in a savepoint of its own; what SQL refuses is undone
//     and refused alone.
//  2. log: [Frame.Commit] appends one entry, with after-images of everything that
//     changed, to the frame log and commits that durably. This is the commit.
//  3. merge: [Store.Merge] commits the game database's transaction, each frame
//     where that is cheap, else after several, at most Options.MergeEvery behind.
//
// After a crash [Open] replays what the log holds and the game database does not.
//
// The frame loop is one goroutine: everything that Begin to Recover say is its
// own. Reading ([Store.Entry], [Store.View], [Store.Device]) is for any goroutine.
//
// Start reading at [Open], then frame.go, commit.go and, for what has failed, recover.go.
package store

// Package sessiontest joins clients and servers in memory, for tests: without
// sockets, testing/synctest can stop and turn the clock while they talk.
//
// Start reading at [Serve].
package sessiontest

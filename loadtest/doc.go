// Package loadtest loads a hub with many devices, measures what they see, and
// checks it: at the end, the copies that observers kept are compared with rows
// read by SQL.
//
// Start reading at [Run], which is the order of things. A script (script.go)
// says what one device writes, and when it means to; a writer keeps to it and
// learns what became of each write; a caller does the same with a device's events;
// an observer keeps a copy and finds how old what it sees is; a verdict compares
// the copies with the database.
//
// A device reaches the hub by a connection (connection.go): a single one, whose end is
// the device's, or where connections are lost on purpose one that comes back (lasting.go).
// A device is two goroutines, one that reads and one that writes, and Run waits
// for all of them. They share a run, whose counters are atomic and whose
// histograms lock themselves.
package loadtest

// Package edge is what stands between the hub's HTTP and the network: listeners
// that survive, TLS whose files may change, limits of connections, and whose
// address a request comes from.
//
// Start reading at [Server].
package edge

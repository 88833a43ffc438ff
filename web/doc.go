// Package web is the hub's HTTP: the device listener with the sync endpoint, and
// the admin listener, which devices can't reach, with metrics and the page for
// operators. It keeps no state of its own.
//
// Start reading at [Device] and [Admin].
package web

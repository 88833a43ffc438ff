// Package operators knows who may look at a hub, and act on it: accounts with
// passwords in a file of their own, one-time links that make them, and logins. It
// knows no HTTP: package web asks it.
//
// Start reading at [Accounts] and [Logins].
package operators

// Package storetest is what the tests of stores share: file systems that fail when they
// are told to, and one that behaves as mvSQLite does.
//
// Start reading at [OpenMvsim].
package storetest

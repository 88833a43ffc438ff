// Package city is the example city for programs that bring it along: its files,
// as they lie here.
package city

import _ "embed" // the files below

// Schema is the SQL that makes its tables.
//
//go:embed schema.sql
var Schema string

// Config is its configuration of the hub, with the rules of its tables.
//
//go:embed framehub.toml
var Config string

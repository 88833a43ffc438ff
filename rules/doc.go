// Package rules says what devices may do with the tables of a game: who reads and
// writes them, what their columns take, and how much a device may send.
//
// [Parse] reads the rules of a configuration file into a [Set], [Set.Compile]
// brings them together with the schema into a [Compiled], which read loops ask.
// What needs nothing but the transaction is checked by [Compiled.Check], before
// the transaction is queued; what needs the rows as they are by
// [Compiled.CheckRows], in the frame. docs/rules.md describes every rule.
//
// A Set and a Compiled are never changed once made.
package rules

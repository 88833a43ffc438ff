// Package backup keeps copies of the game database and the frame log's entries between
// them in a place, proves that they are good, and restores a database to any version from
// them. docs/adr/0013-backups.md has the format, and why it is so.
//
// Start reading at [Worker.Run], which makes them, and [Restore].
package backup

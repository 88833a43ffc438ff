// Package mvsqlite is what stands before a hub on mvSQLite: addresses of clusters,
// namespaces, the library that is preloaded, and the supervisor.
//
// mvSQLite is SQLite on FoundationDB. Programs reach it by a library that the loader
// puts over a dynamically linked libsqlite3 (LD_PRELOAD), which replaces the file
// system that SQLite writes to. Such a program opens no database of this machine, and
// where the library can't go on, it ends the process. So framehub starts itself again
// under the library, as a child, and stays as the supervisor that starts it anew after
// a crash.
//
// Begin with Cluster and Supervisor. The package knows nothing of SQL.
package mvsqlite

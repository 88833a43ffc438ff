package store

import (
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	"slices"

	"framehub/store/internal/sqlite"
)

// The log has the shape of tables, and no SQL: no index, trigger, view or constraint.
// Entries are replayed onto copies of the database that have the same of them, since
// REPLACE goes by UNIQUE indexes, and by the rowids that VACUUM may give anew where a
// table has no key. So what other programs change of that makes a version of its own too,
// though devices see nothing of it.

// otherDDL says whether what makes the tables, and all that belongs to them, is other than
// when the last schema came into the log.
func (s *Store) otherDDL(tables []*Table) (bool, error) {
	sum, err := sumDDL(s.w, keyless(tables))
	if err != nil {
		return false, err
	}
	meta, err := s.log.meta()
	return !bytes.Equal(blob(meta["ddl"]), sum), err
}

// keyless says whether some table's rows are told apart by their rowids.
func keyless(tables []*Table) bool {
	return slices.ContainsFunc(tables, func(t *Table) bool { return t.rowid != "" })
}

// sumDDL hashes the SQL that makes the game's tables and all that belongs to them, and
// with cookie the number that VACUUM raises too.
func sumDDL(c *sqlite.Conn, cookie bool) ([]byte, error) {
	h := sha256.New()
	line := func(row []driver.Value) error {
		_, err := fmt.Fprintf(h, "%q\n", row)
		return err
	}
	err := c.Query(`SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_schema
		WHERE name NOT LIKE '\_framehub\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_framehub\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_stat%' ESCAPE '\'
		ORDER BY type, name`, nil, line)
	if err == nil && cookie {
		err = c.Query(`PRAGMA schema_version`, nil, line)
	}
	return h.Sum(nil), err
}

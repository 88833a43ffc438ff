package store

import (
	"container/list"
	"encoding/binary"
	"fmt"
	"strings"

	"framehub/store/internal/sqlite"
)

// maxStatements bounds how many sets of statements are kept prepared: devices
// choose the columns of their blocks, and a hostile one all combinations.
const maxStatements = 512

// statements keeps, for each table and list of columns in use, the statements
// that ops on them run. The one used longest ago makes room.
type statements struct {
	conn *sqlite.Conn
	sets map[string]*list.Element
	used *list.List // of *statementSet, the latest first
}

type statementSet struct {
	id string
	sqlite.Stmts
}

func newStatements(c *sqlite.Conn) *statements {
	return &statements{conn: c, sets: map[string]*list.Element{}, used: list.New()}
}

// get returns the statements for blocks with these columns of t, the key first.
func (p *statements) get(t *Table, columns []int) (*sqlite.Stmts, error) {
	var buf [64]byte
	id := binary.AppendUvarint(buf[:0], uint64(t.ID))
	for _, c := range columns {
		id = binary.AppendUvarint(id, uint64(c))
	}
	if e, ok := p.sets[string(id)]; ok {
		p.used.MoveToFront(e)
		return &e.Value.(*statementSet).Stmts, nil
	}
	set := &statementSet{id: string(id)}
	if err := set.prepare(p.conn, t, columns); err != nil {
		set.close()
		return nil, err
	}
	p.sets[set.id] = p.used.PushFront(set)
	return &set.Stmts, nil
}

func (p *statements) close() {
	for id, e := range p.sets {
		p.used.Remove(e).(*statementSet).close()
		delete(p.sets, id)
	}
}

// trim closes what is too many. It is for between transactions: one alone may
// use more than are kept.
func (p *statements) trim() {
	for len(p.sets) > maxStatements {
		oldest := p.used.Remove(p.used.Back()).(*statementSet)
		delete(p.sets, oldest.id)
		oldest.close()
	}
}

func (s *statementSet) prepare(c *sqlite.Conn, t *Table, columns []int) (err error) {
	names := make([]string, len(columns))
	params := make([]string, len(columns))
	var sets []string
	readOnly := false
	for i, place := range columns {
		names[i] = quote(t.Columns[place].Name)
		params[i] = fmt.Sprintf("?%d", i+1)
		readOnly = readOnly || t.Columns[place].Generated
		if i >= t.Key {
			sets = append(sets, names[i]+" = "+params[i])
		}
	}
	s.Triggers = t.triggers
	table, where := quote(t.Name), t.whereKey()
	rest := "1"
	if len(sets) > 0 {
		rest = strings.Join(names[t.Key:], ", ")
	}
	if s.Select, err = c.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE %s", rest, table, where)); err != nil {
		return err
	}
	if readOnly { // an expect, which is all that such columns are resolved for
		return nil
	}
	if len(sets) > 0 {
		if s.Update, err = c.Prepare(fmt.Sprintf("UPDATE %s SET %s WHERE %s", table, strings.Join(sets, ", "), where)); err != nil {
			return err
		}
	}
	if s.Insert, err = c.Prepare(fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table,
		strings.Join(names, ", "), strings.Join(params, ", "))); err != nil {
		return err
	}
	s.Delete, err = c.Prepare(fmt.Sprintf("DELETE FROM %s WHERE %s", table, where))
	return err
}

func (s *statementSet) close() {
	for _, stmt := range []*sqlite.Stmt{s.Update, s.Insert, s.Delete, s.Select} {
		if stmt != nil {
			stmt.Close()
		}
	}
}

// whereKey returns the condition that finds a row, its key in parameters from 1.
// The key's index may have another collation than the column, and is what says
// which rows are one.
func (t *Table) whereKey() string {
	var parts []string
	for i := range t.Key {
		part := fmt.Sprintf("%s = ?%d", quote(t.Columns[i].Name), i+1)
		if !t.intKey {
			part += " COLLATE " + t.Columns[i].collation.String()
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " AND ")
}

package web

import (
	"encoding/json"
	"errors"
	"fmt"

	"framehub/session/wire"
)

// RowsNow is what the topic of rows tells: what became of them since the last time.
type RowsNow struct {
	Version uint64   `json:"version"`
	Rows    []RowNow `json:"rows"` // of those that are followed
	Came    int      `json:"came"` // rows of the table
	Went    int      `json:"went"`
	Changed int      `json:"changed"`
	Lost    bool     `json:"lost,omitempty"` // too much has happened: they are to be read anew
}

// RowNow is a row that something became of.
type RowNow struct {
	At     int   `json:"at"`               // its place among the keys
	Values []any `json:"values,omitempty"` // none: it was deleted
}

// maxFollowed bounds the rows that a stream follows.
const maxFollowed = 100

// follow makes the source of a topic rows:[TABLE,SINCE,[KEY,…]], in JSON, of tables that
// devices see.
func (d data) follow(arg string) (source, func(), error) {
	var parts []json.RawMessage
	var table string
	var since uint64
	var rows [][]Value
	err := json.Unmarshal([]byte(arg), &parts)
	if err == nil && len(parts) == 3 {
		err = errors.Join(json.Unmarshal(parts[0], &table), json.Unmarshal(parts[1], &since), json.Unmarshal(parts[2], &rows))
	}
	if err != nil || len(parts) != 3 || len(rows) > maxFollowed {
		return nil, nil, fmt.Errorf("the topic of rows is rows:[TABLE,VERSION,[KEY,…]] in JSON, with at most %d keys", maxFollowed)
	}
	keys := make([][]wire.Value, len(rows))
	for i, row := range rows {
		for _, v := range row {
			keys[i] = append(keys[i], v.Value)
		}
	}
	_, key, err := d.hub.Data().Columns(table, false)
	if err != nil {
		return nil, nil, err
	}
	next, err := d.hub.Data().Follow(table, keys, since, false)
	if err != nil {
		return nil, nil, err
	}
	return func() any {
		l := next()
		now := RowsNow{Version: l.Version, Rows: []RowNow{}, Came: l.Came, Went: l.Went, Changed: l.Changed, Lost: l.Gone}
		for at, e := range l.Rows {
			if e == nil {
				continue
			}
			one := RowNow{At: at}
			if e.Row.After {
				one.Values = cutRow(e.Image, key)
			}
			now.Rows = append(now.Rows, one)
		}
		return now
	}, nil, nil
}

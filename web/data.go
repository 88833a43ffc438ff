package web

import (
	"errors"
	"net/http"
	"time"

	"framehub/hub"
	"framehub/operators"
	"framehub/session/wire"
)

// Table is a table in the answer of GET /api/tables.
type Table struct {
	Name    string            `json:"name"`
	Columns []Column          `json:"columns"` // those of the key first
	Key     int               `json:"key"`     // how many
	Scope   string            `json:"scope,omitempty"`
	Owner   string            `json:"owner,omitempty"`
	Map     []string          `json:"map,omitempty"` // the two columns that say where a row is
	Devices bool              `json:"devices"`       // they see it
	Own     bool              `json:"own"`           // it is the hub's
	Open    bool              `json:"open"`          // no rules are in force
	Rights  map[string]string `json:"rights"`        // by role, of the letters r, i, u, d
	Rules   []string          `json:"rules"`         // what else holds, in words
	Rows    int64             `json:"rows"`          // -1: not counted in time
	AtLeast bool              `json:"at_least"`      // there are more
	Bytes   int64             `json:"bytes"`         // of its values, about; -1: not known
	Edit    string            `json:"edit"`          // what operators may do with its rows, of the letters i, u, d
}

// Column is one in it.
type Column struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	NotNull   bool   `json:"not_null"`
	Default   bool   `json:"default"`
	Generated bool   `json:"generated"`
}

// Rows is the answer of GET /api/tables/{table}/rows, in the order of the key, of a row's
// address, where values are whole, and of POST /api/sql.
type Rows struct {
	Version uint64   `json:"version"` // as of which they are
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`              // see Value
	Before  bool     `json:"before"`            // there are rows before these
	More    bool     `json:"more"`              // and after them
	Partial bool     `json:"partial,omitempty"` // time was up: not all rows were looked at
	TookMS  int64    `json:"took_ms"`
}

// data answers about the tables.
type data struct {
	Options

	hub *hub.Hub
}

func (d data) tables(w http.ResponseWriter, r *http.Request) {
	infos, err := d.hub.Data().Tables(r.Context(), private(r))
	if err != nil {
		d.failed(w, err)
		return
	}
	list := make([]Table, len(infos))
	for i := range infos {
		list[i] = describeTable(&infos[i])
	}
	writeJSON(w, list)
}

func describeTable(i *hub.TableInfo) Table {
	t := i.Table
	out := Table{
		Name: t.Name, Key: t.Key, Owner: i.Owner, Devices: t.Synced, Own: t.Own, Open: i.Rules.Open, Rights: i.Rules.Rights,
		Rules: append([]string{}, i.Rules.Rules...), Rows: i.Rows, AtLeast: i.AtLeast, Bytes: i.Bytes,
	}
	for c := range t.Columns {
		col := &t.Columns[c]
		out.Columns = append(out.Columns, Column{col.Name, col.Type, col.NotNull, col.Default, col.Generated})
	}
	if t.Scope >= 0 {
		out.Scope = t.Columns[t.Scope].Name
	}
	if i.X >= 0 {
		out.Map = []string{t.Columns[i.X].Name, t.Columns[i.Y].Name}
	}
	if t.Synced {
		out.Edit = hub.MayEdit(&i.Rules)
	}
	return out
}

func (d data) rows(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	q := hub.PageQuery{Table: r.PathValue("table"), Private: private(r), Filter: r.URL.Query().Get("filter"), Last: r.URL.Query().Has("last")}
	for name, to := range map[string]*[]wire.Value{"after": &q.After, "before": &q.Before} {
		if text := r.URL.Query().Get(name); text != "" {
			key, err := readKey(text)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			*to = key
		}
	}
	names, key, err := d.hub.Data().Columns(q.Table, q.Private)
	var p *hub.Page
	if err == nil {
		p, err = d.hub.Data().Page(r.Context(), &q)
	}
	if err != nil {
		d.failed(w, err)
		return
	}
	out := Rows{Version: p.Version, Columns: names, Rows: [][]any{}, Before: p.Before, More: p.More, Partial: p.Partial, TookMS: time.Since(began).Milliseconds()}
	for i := range p.Rows.Rows() {
		out.Rows = append(out.Rows, cutRow(p.Rows.Row(i), key))
	}
	writeJSON(w, out)
}

func (d data) row(w http.ResponseWriter, r *http.Request) {
	table, key, ok := d.keyOf(w, r)
	if !ok {
		return
	}
	names, _, err := d.hub.Data().Columns(table, private(r))
	var p *hub.Page
	if err == nil {
		p, err = d.hub.Data().Row(r.Context(), table, key, private(r))
	}
	if err != nil {
		d.failed(w, err)
		return
	}
	out := Rows{Version: p.Version, Columns: names, Rows: [][]any{}, Partial: p.Partial}
	for i := range p.Rows.Rows() {
		out.Rows = append(out.Rows, wholeRow(p.Rows.Row(i)))
	}
	writeJSON(w, out)
}

// keyOf reads which row a request is about.
func (d data) keyOf(w http.ResponseWriter, r *http.Request) (table string, key []wire.Value, ok bool) {
	key, err := readKey(r.URL.Query().Get("key"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return "", nil, false
	}
	return r.PathValue("table"), key, true
}

// failed answers with what stood in the way.
func (d data) failed(w http.ResponseWriter, err error) {
	if _, ok := errors.AsType[*hub.BadQueryError](err); ok {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if errors.Is(err, hub.ErrNoTable) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	d.Log.Error("an operator's look at the data failed", "err", err)
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

// private says whether who asks may see tables that devices don't.
func private(r *http.Request) bool { return callerOf(r).role.May(operators.Operator) }

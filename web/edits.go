package web

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"framehub/audit"
	"framehub/hub"
	"framehub/session/wire"
)

// EditRow is the body of POST /api/tables/{table}/rows.
type EditRow struct {
	What   string           `json:"what" jsonschema:"enum=insert,enum=update,enum=delete"` // insert, update or delete
	Key    []Value          `json:"key"`
	Values map[string]Value `json:"values,omitempty"` // by column, none of the key
}

// Edited is its answer.
type Edited struct {
	Version uint64 `json:"version"` // that has it
}

// AskSQL is the body of POST /api/sql.
type AskSQL struct {
	SQL string `json:"sql" jsonschema:"minLength=1"` // one SELECT
}

const (
	maxEdit = 1 << 20  // bytes of an edit's body
	maxSQL  = 64 << 10 // of a statement's
)

func (d data) edit(w http.ResponseWriter, r *http.Request) {
	kinds := map[string]wire.OpKind{"insert": wire.OpInsert, "update": wire.OpUpdate, "delete": wire.OpDelete}
	var body EditRow
	err := readJSONWithin(w, r, &body, maxEdit)
	kind, ok := kinds[body.What]
	if err == nil && !ok {
		err = fmt.Errorf("what is %q: it must be insert, update or delete", body.What)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e := hub.Edit{Kind: kind, Table: r.PathValue("table"), Values: map[string]wire.Value{}}
	for _, v := range body.Key {
		e.Key = append(e.Key, v.Value)
	}
	for name, v := range body.Values {
		e.Values[name] = v.Value
	}
	version, refused, err := d.hub.Data().Edit(r.Context(), operator(r), &e)
	what := append([]string{fmt.Sprintf("%s in table %q, key %v", body.What, e.Table, e.Key)}, slices.Sorted(maps.Keys(body.Values))...)
	rec := audit.Record{Remote: r.RemoteAddr, Code: "done", Reason: by(r, strings.Join(what, ", "))}
	switch {
	case err != nil:
		rec.Code = "unknown"
	case refused != nil:
		rec.Code, rec.Reason = string(refused.Code), rec.Reason+": "+refused.Text
	}
	d.Audit.Add(audit.Edit, rec)
	switch {
	case err != nil:
		d.failed(w, err)
	case refused != nil:
		http.Error(w, refused.Text, http.StatusUnprocessableEntity)
	default:
		writeJSON(w, Edited{version})
	}
}

func (d data) sql(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	var body AskSQL
	if err := readJSONWithin(w, r, &body, maxSQL); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	res, version, refused, err := d.hub.Data().Ask(r.Context(), body.SQL, private(r))
	rec := audit.Record{Remote: r.RemoteAddr, Code: "done", Reason: by(r, body.SQL)}
	if refused != nil {
		rec.Code = string(refused.Code)
	}
	d.Audit.Add(audit.Query, rec)
	switch {
	case err != nil:
		d.failed(w, err)
	case refused != nil:
		http.Error(w, refused.Text, http.StatusUnprocessableEntity)
	default:
		out := Rows{Version: version, Columns: res.Columns, Rows: [][]any{}, TookMS: time.Since(began).Milliseconds()}
		for i := range res.Rows.Rows() {
			out.Rows = append(out.Rows, wholeRow(res.Rows.Row(i)))
		}
		writeJSON(w, out)
	}
}

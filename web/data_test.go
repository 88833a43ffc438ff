package web_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"

	"framehub/session/wire"
	"framehub/web"
)

// sent is a value as it is sent to a page.
func TestValueJSON(t *testing.T) {
	for text, v := range map[string]wire.Value{
		`null`:                         {},
		`0`:                            wire.IntegerValue(0),
		`9007199254740991`:             wire.IntegerValue(1<<53 - 1),
		`{"i":"9007199254740992"}`:     wire.IntegerValue(1 << 53),
		`{"i":"-9223372036854775808"}`: wire.IntegerValue(math.MinInt64),
		`1.5`:                          wire.RealValue(1.5),
		`{"r":"1"}`:                    wire.RealValue(1),
		`{"r":"-0"}`:                   wire.RealValue(math.Copysign(0, -1)),
		`1e+300`:                       wire.RealValue(1e300),
		`{"r":"+Inf"}`:                 wire.RealValue(math.Inf(1)),
		`"a\"\u003cb\u003e"`:           wire.TextValue(`a"<b>`),
		`{"b":"00ff"}`:                 wire.BlobValue([]byte{0, 255}),
	} {
		b, err := json.Marshal(web.Value{Value: v})
		if err != nil || string(b) != text {
			t.Errorf("%v is %s, not %s: %v", v, b, text, err)
		}
		var back web.Value
		if err := json.Unmarshal([]byte(text), &back); err != nil || back.Kind() != v.Kind() || back.String() != v.String() {
			t.Errorf("%s is read as %v: %v", text, back, err)
		}
	}
	for _, text := range []string{`{}`, `{"i":"x"}`, `{"b":"0"}`, `{"r":"x"}`, `{"x":"1"}`, `true`, `[1]`, `{"i":1}`} {
		var v web.Value
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%s is taken for %v", text, v)
		}
	}
}

// look asks an address of the admin API, and reads what it tells.
func look[T any](w *world, path string) (v T) {
	w.tb.Helper()
	if a := w.get(w.Admin, path); a.code != 200 || json.Unmarshal([]byte(a.body), &v) != nil {
		w.tb.Fatalf("%s: %d %s", path, a.code, a.body)
	}
	return v
}

func TestDataAPI(t *testing.T) {
	w := newWorld(t)
	tables := map[string]web.Table{}
	for _, one := range look[[]web.Table](w, "/api/tables") {
		tables[one.Name] = one
	}
	entity, ok := tables["entity"]
	if !ok || !entity.Open || entity.Scope != "zone" || !entity.Devices || entity.Edit != "iud" || entity.Rights["observer"] != "r" || entity.Rows != 0 {
		t.Errorf("%+v", entity)
	}
	const at = "/api/tables/entity/"
	for id := 1; id <= 120; id++ {
		body := fmt.Sprintf(`{"what":"insert","key":[%d],"values":{"zone":%d,"x":1.5,"y":{"r":"2"}}}`, id, id%3)
		if a := w.post(at+"rows", body); a.code != 200 {
			t.Fatal(a.code, a.body)
		}
	}
	first := look[web.Rows](w, at+"rows")
	if len(first.Rows) != 50 || first.Before || !first.More || first.Columns[0] != "id" || first.Rows[49][0] != 50.0 {
		t.Errorf("%+v", first)
	}
	next := look[web.Rows](w, at+"rows?after="+url.QueryEscape("[50]")+"&filter=zone%3D1")
	if len(next.Rows) != 23 || !next.Before || next.More || next.Rows[0][0] != 52.0 {
		t.Errorf("%+v", next)
	}
	if last := look[web.Rows](w, at+"rows?last"); len(last.Rows) != 50 || !last.Before || last.More || last.Rows[49][0] != 120.0 {
		t.Errorf("%+v", last)
	}
	if row := look[web.Rows](w, at+"row?key=[7]"); len(row.Rows) != 1 || row.Rows[0][0] != 7.0 {
		t.Errorf("%+v", row)
	}

	version := look[web.Status](w, "/api/status").Version
	topic := fmt.Sprintf(`rows:["entity",%d,[[7],[8],[9]]]`, version)
	told := w.stream(t.Context(), "topic="+url.QueryEscape(topic))
	for _, body := range []string{`{"what":"update","key":[7],"values":{"x":9.5}}`, `{"what":"delete","key":[8]}`} {
		if a := w.post(at+"rows", body); a.code != 200 {
			t.Fatal(a.code, a.body)
		}
	}
	seen := map[int]web.RowNow{}
	for len(seen) < 2 {
		name, data := told()
		var now web.RowsNow
		if err := json.Unmarshal([]byte(data), &now); err != nil || name != topic {
			t.Fatal(name, data, err)
		}
		for _, r := range now.Rows {
			seen[r.At] = r
		}
	}
	if r := seen[0]; r.Values[0] != 7.0 || seen[1].Values != nil {
		t.Errorf("%+v", seen)
	}
	past := look[web.Past](w, at+"past?key=[7]")
	if len(past.Events) != 2 || past.Events[0].What != "changed" || strings.Join(past.Events[0].Columns, " ") != "x" || past.Events[0].By[0].User != "operator:" || past.Events[1].What != "inserted" || !past.Over {
		t.Errorf("%+v", past)
	}
	if past = look[web.Past](w, at+"past?key=[8]"); past.Events[0].What != "deleted" || len(past.Events[0].Values) != 1 {
		t.Errorf("%+v", past)
	}
	var rows web.Rows
	if a := w.post("/api/sql", `{"sql":"SELECT zone, count(*) AS n FROM entity GROUP BY 1"}`); a.code != 200 || json.Unmarshal([]byte(a.body), &rows) != nil || len(rows.Rows) != 3 || rows.Columns[1] != "n" {
		t.Error(a.code, a.body)
	}
}

func TestDataAPIRefuses(t *testing.T) {
	var logged output
	w := newWorld(t, logged.set)
	for _, tc := range []struct {
		path, body string // "": it is a GET
		code       int
		words      string
	}{
		{"/api/tables/nothing/rows", "", 404, `no table "nothing"`},
		{"/api/tables/_framehub_device/rows", "", 404, "no table"},
		{"/api/tables/entity/rows?filter=colour=1", "", 400, "no column"},
		{"/api/tables/entity/rows?after=x", "", 400, "an array of values"},
		{"/api/tables/entity/rows?after=[1,2]", "", 400, "1 columns, not 2"},
		{"/api/tables/entity/row", "", 400, "an array"},
		{"/api/tables/entity/past?key=[1]&before=x", "", 400, "a version"},
		{"/api/tables/entity/rows", `{"what":"drop","key":[1]}`, 400, "insert, update or delete"},
		{"/api/tables/entity/rows", `{"what":"update","key":[1],"values":{"x":true}}`, 400, "no value of SQL"},
		{"/api/tables/entity/rows", `{"what":"update","key":[1],"values":{"x":1}}`, 422, ""},
		{"/api/tables/entity/rows", `{"what":"insert","key":["a"]}`, 422, "INTEGER"},
		{"/api/sql", `{"sql":"DELETE FROM entity"}`, 422, "only reads"},
		{"/api/sql", `{"sql":"SELECT * FROM _framehub_meta"}`, 422, "not for"},
		{"/api/sql", `{"sql":"SELEC"}`, 422, "syntax error"},
		{"/api/sql", `{"sql":"SELECT 1 FROM entity; SELECT 2"}`, 422, "one statement at a time"},
		{"/api/sql", `{"sql":"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT count(*) FROM n, (SELECT count(*) FROM entity)"}`, 422, "has run for 2s"},
		{"/api/sql", `{"sql":"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i, (SELECT count(*) FROM entity) FROM n"}`, 422, "more than 1000 rows"},
	} {
		a := w.get(w.Admin, tc.path)
		if tc.body != "" {
			a = w.post(tc.path, tc.body)
		}
		if a.code != tc.code || !strings.Contains(a.body, tc.words) {
			t.Errorf("%s %s: %d %s", tc.path, tc.body, a.code, a.body)
		}
	}
	for _, topic := range []string{`rows:`, `rows:["entity"]`, `rows:["_framehub_meta",0,[]]`, `rows:["entity",0,[["a"]]]`, `rows:["entity",-1,[]]`} {
		if a := w.get(w.Admin, "/api/live?topic="+url.QueryEscape(topic)); a.code != 400 {
			t.Errorf("%s: %d", topic, a.code)
		}
	}
	contains(t, logged.String(), `code=forbidden reason="by an operator: DELETE FROM entity"`, `code=missing reason="by an operator: update in table \"entity\", key [1], x: `)
}

// TestLongValues are cut where many are shown, but for keys, and whole where one row is.
func TestLongValues(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("ä", 250)
	for _, body := range []string{
		`{"what":"insert","key":["` + long + `"],"values":{"value":"` + long + `"}}`,
	} {
		if a := w.post("/api/tables/setting/rows", body); a.code != 200 {
			t.Fatal(a.code, a.body)
		}
	}
	rows := look[web.Rows](w, "/api/tables/setting/rows?filter="+url.QueryEscape("key~ää"))
	if cut, ok := rows.Rows[0][1].(map[string]any); !ok || cut["size"] != 500.0 || cut["kind"] != "text" || cut["cut"] != strings.Repeat("ä", 100) || rows.Rows[0][0] != long {
		t.Errorf("%v", rows.Rows[0])
	}
	if rows = look[web.Rows](w, "/api/tables/setting/row?key="+url.QueryEscape(`["`+long+`"]`)); rows.Rows[0][1] != long {
		t.Errorf("%v", rows.Rows[0])
	}
}

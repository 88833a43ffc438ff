package web_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"framehub/operators"
)

// TestOpenAPIRefuses sends to each operation what its description does not allow: bodies
// with a field too many or too few, of another type or beyond a bound, and parameters.
// The hub is as strict as it says.
func TestOpenAPIRefuses(t *testing.T) {
	accounts, err := operators.Open(filepath.Join(t.TempDir(), "world.operators.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Add("ann", operators.Operator, annsPassword); err != nil {
		t.Fatal(err)
	}
	secret, _, err := accounts.NewLink(operators.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, with(operators.NewLogins(accounts, operators.Timeouts{})))
	ann := w.login("ann", annsPassword)
	fine := map[string]any{"link": secret, "old": annsPassword, "key": []any{1}}
	sent := 0
	for pattern, o := range operationsOf(loadDocument(t)) {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.HasPrefix(path, "/api/") {
			continue
		}
		path = strings.NewReplacer("{id}", uuid.NewString(), "{table}", "entity", "{kind}", "device", "{name}", "x", "{history}", "x", "{version}", "1").Replace(path)
		refused := func(what, path, body string, codes ...int) {
			sent++
			set := func(r *http.Request) { r.Method = method }
			if a := w.post(path, body, ann.send, set); !slices.Contains(codes, a.code) {
				t.Errorf("%s: %s: it answers %d and not one of %v: %.200s", pattern, what, a.code, codes, a.body)
			}
		}
		for _, p := range o.Parameters {
			for _, bad := range wrong(p.Value.Schema.Value) {
				if text, isText := bad.(string); p.Value.In == "query" && isText {
					refused(p.Value.Name+"="+text, path+"?key=[1]&"+p.Value.Name+"="+url.QueryEscape(text), "", 400)
				}
			}
			if p.Value.In == "query" && p.Value.Required {
				refused("no "+p.Value.Name, path, "", 400)
			}
		}
		if o.RequestBody == nil {
			continue
		}
		schema := o.RequestBody.Value.Content.Get("application/json").Schema.Value
		base := map[string]any{}
		for _, name := range schema.Required {
			base[name] = right(schema.Properties[name].Value)
			if v, ok := fine[name]; ok {
				base[name] = v
			}
		}
		with := func(name string, v any) string {
			body := maps.Clone(base)
			body[name] = v
			return jsonOf(body)
		}
		refused("a field too many", path, with("unheard_of", 1), 400)
		refused("no JSON", path, "{", 400)
		refused("a list", path, "[1]", 400)
		for _, name := range schema.Required {
			body := maps.Clone(base)
			delete(body, name)
			refused("no "+name, path, jsonOf(body), 400, 403, 422)
		}
		for name, property := range schema.Properties {
			for _, bad := range wrong(property.Value) {
				refused(name+" is wrong", path, with(name, bad), 400, 422)
			}
		}
	}
	if sent < 100 {
		t.Errorf("only %d requests were made", sent)
	}
}

// right is a value that a schema allows.
func right(s *openapi3.Schema) any {
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type.Is("string"):
		return strings.Repeat("x", int(s.MinLength))
	case s.Type.Is("array"):
		return []any{}
	default:
		return 1
	}
}

// wrong are values that a schema does not allow; those of parameters are texts.
func wrong(s *openapi3.Schema) []any {
	var all []any
	switch {
	case s.Type.Is("string"):
		all = append(all, 7)
	case s.Type.Is("object"):
		all = append(all, "x", map[string]any{"x": map[string]any{"i": "a"}})
	case s.Type.Is("array"):
		all = append(all, []any{map[string]any{"i": 1}}, []any{map[string]any{"unheard_of": "1"}})
	case s.Type.Is("integer"):
		all = append(all, "x", "-1", 0.5)
	default:
		all = append(all, "x")
	}
	if s.MinLength > 0 {
		all = append(all, strings.Repeat("x", int(s.MinLength)-1))
	}
	if s.MaxLength != nil {
		all = append(all, strings.Repeat("x", int(*s.MaxLength)+1))
	}
	if s.Min != nil {
		all = append(all, *s.Min-1)
	}
	if s.Max != nil {
		all = append(all, json.Number(jsonOf(int64(*s.Max)+1)))
	}
	if len(s.Enum) > 0 {
		all = append(all, "3")
	}
	return all
}

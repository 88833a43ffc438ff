package web_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"

	"framehub/auth"
	"framehub/operators"
	"framehub/web"
)

var update = flag.Bool("update", false, "write the schemas of openapi.yaml anew")

const (
	document = "openapi.yaml"
	begins   = "components:\n" // what is made
)

// The types of what is asked and answered; those within them come by themselves. What
// is asked must have no other fields, answers may get more.
var (
	bodies = []any{
		web.Credentials{}, web.Leaving{}, web.NewAccount{}, web.NewPassword{}, web.Kick{}, web.Notice{}, web.BanAsked{}, web.EditRow{}, web.AskSQL{},
	}
	answers = []any{
		web.Me{}, web.Status{}, web.Reloaded{}, web.RuleFile{}, web.Setting{}, web.LogLines{}, web.Session{}, web.Noticed{}, web.Banned{}, auth.Ban{},
		web.Table{}, web.Rows{}, web.Edited{}, web.Past{}, web.BackupList{}, web.BackupState{}, web.BackupAsked{}, web.SessionsNews{}, web.Inspected{}, web.RowsNow{}, web.Series{},
	}
)

// components makes the schemas of Go's types: their comments are the descriptions.
func components(t *testing.T) string {
	t.Helper()
	r := jsonschema.Reflector{Anonymous: true, Mapper: mapped}
	for _, from := range []string{"./", "../auth", "../audit", "../operators"} {
		if err := r.AddGoComments("framehub/web", from); err != nil {
			t.Fatal(err)
		}
	}
	schemas := values()
	for i, v := range slices.Concat(bodies, answers) {
		r.AllowAdditionalProperties = i >= len(bodies)
		text, err := json.Marshal(r.Reflect(v))
		if err != nil {
			t.Fatal(err)
		}
		var made struct {
			Defs map[string]any `json:"$defs"`
		}
		if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("#/$defs/"), []byte("#/components/schemas/")), &made); err != nil {
			t.Fatal(err)
		}
		maps.Copy(schemas, made.Defs)
	}
	parameter := func(name, in, description string, schema map[string]any) map[string]any {
		return map[string]any{"name": name, "in": in, "required": true, "description": description, "schema": schema}
	}
	text := map[string]any{"type": "string"}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(map[string]any{"components": map[string]any{
		"securitySchemes": map[string]any{
			"token": map[string]any{"type": "http", "scheme": "bearer", "description": "Of the role viewer or operator: framehub token --role viewer, or the login service's. An admin's is an operator's."},
			"login": map[string]any{"type": "apiKey", "in": "cookie", "name": "framehub-login-8081", "description": "Of POST /api/login; its name ends with the port, and begins with __Host- over TLS."},
		},
		"parameters": map[string]any{
			"session": parameter("id", "path", "of a session", map[string]any{"type": "string", "format": "uuid"}),
			"table":   parameter("table", "path", "its name", text),
			"key":     parameter("key", "query", "of the row: a JSON list of values", text),
			"history": parameter("history", "path", "of the copy, as the list of copies has it", text),
			"version": parameter("version", "path", "of the copy", map[string]any{"type": "integer", "minimum": 0}),
		},
		"responses": map[string]any{
			"Refused": map[string]any{
				"description": "a sentence that says what stands in the way",
				"content":     map[string]any{"text/plain": map[string]any{"schema": map[string]any{"type": "string", "minLength": 1}}},
			},
		},
		"schemas": schemas,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// mapped are the types whose JSON is other than Go's form.
func mapped(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &jsonschema.Schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[web.Value]():
		return &jsonschema.Schema{Ref: "#/components/schemas/Value"}
	case reflect.TypeFor[any]():
		return &jsonschema.Schema{Ref: "#/components/schemas/ShownValue"}
	case reflect.TypeFor[auth.BanKind]():
		return &jsonschema.Schema{Type: "string", Enum: []any{auth.BanDevice, auth.BanUser, auth.BanToken}}
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Type: "array"}
	case reflect.TypeFor[slog.Level]():
		return &jsonschema.Schema{Type: "string", Description: "DEBUG, INFO, WARN or ERROR"}
	case reflect.TypeFor[operators.Role]():
		return &jsonschema.Schema{Type: "string", Enum: []any{"anyone", "viewer", "operator"}}
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int64, reflect.Uint64: // nothing here counts below
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}
	default:
		return nil
	}
}

// values are the schemas of what is in a column, as JSON has it.
func values() map[string]any {
	plain := map[string]any{"type": []string{"null", "number", "string"}}
	object := func(description string, properties map[string]any) map[string]any {
		return map[string]any{
			"type": "object", "description": description, "properties": properties,
			"required": slices.Sorted(maps.Keys(properties)), "additionalProperties": false,
		}
	}
	text := func(pattern string) map[string]any { return map[string]any{"type": "string", "pattern": pattern} }
	exact := []any{
		plain,
		object("an integer that JavaScript does not have exactly", map[string]any{"i": text("^[+-]?[0-9]+$")}),
		object("a real, as text", map[string]any{"r": map[string]any{"type": "string"}}),
		object("a blob, in hexadecimal", map[string]any{"b": text("^([0-9a-fA-F]{2})*$")}),
	}
	cut := object("the beginning of one that is too long for a list", map[string]any{
		"cut": map[string]any{"type": "string"}, "kind": map[string]any{"enum": []string{"text", "blob"}},
		"size": map[string]any{"type": "integer", "minimum": 1, "description": "bytes of all of it"},
	})
	return map[string]any{
		"Value":      map[string]any{"description": "A value of SQL.", "oneOf": exact},
		"ShownValue": map[string]any{"description": "A value of SQL, which a list may cut.", "oneOf": append(slices.Clone(exact), cut)},
	}
}

// TestOpenAPI compares the document with Go's types and with the table of routes.
func TestOpenAPI(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	hand, made, _ := strings.Cut(string(text), "\n"+begins)
	want := components(t)
	if *update {
		if err := os.WriteFile(document, []byte(strings.TrimRight(hand, "\n")+"\n"+want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if begins+made != want {
		t.Fatalf("the schemas of %s are not those of Go's types: go test ./web -run TestOpenAPI -update writes them anew", document)
	}
	doc := loadDocument(t)
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("%s is no OpenAPI 3.1: %v", document, err)
	}
	routes := web.AdminRoutes()
	for pattern, o := range operationsOf(doc) {
		switch needs, ok := routes[pattern]; {
		case !ok:
			t.Errorf("%s describes %s, which there is not", document, pattern)
		case o.Extensions["x-role"] != string(needs):
			t.Errorf("%s: %s has the x-role %v, in the table of routes it needs %s", document, pattern, o.Extensions["x-role"], needs)
		case (needs == operators.Anyone) != (o.Security != nil && len(*o.Security) == 0):
			t.Errorf("%s: %s, which needs %s, says otherwise by its security", document, pattern, needs)
		}
		if loose(o) {
			t.Errorf("%s: %s answers with JSON of any form: name the schema of a Go type", document, pattern)
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(routes)) {
		_, path, _ := strings.Cut(pattern, " ")
		if path == "/{$}" || strings.HasPrefix(path, "/assets/") || strings.HasPrefix(path, "/debug/pprof/") {
			continue // the page, and Go's
		}
		if operationsOf(doc)[pattern] == nil {
			t.Errorf("%s lacks %s: describe it beside its like", document, pattern)
		}
	}
	w := newWorld(t)
	if a := w.get(w.Admin, "/api/openapi.yaml"); a.code != http.StatusOK || !strings.HasPrefix(a.body, "# What the admin listener answers.") {
		t.Errorf("%d: %.100s", a.code, a.body)
	}
}

func loadDocument(tb testing.TB) *openapi3.T {
	tb.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(document)
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

// operationsOf returns what a document describes, by the patterns of routes.
func operationsOf(doc *openapi3.T) map[string]*openapi3.Operation {
	all := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			all[method+" "+path] = o
		}
	}
	return all
}

// loose says whether what an operation answers in JSON is neither of a named schema, nor a list of one.
func loose(o *openapi3.Operation) bool {
	ok := o.Responses.Status(http.StatusOK)
	if ok == nil || ok.Value.Content.Get("application/json") == nil {
		return false
	}
	schema := ok.Value.Content.Get("application/json").Schema
	if schema.Value.Type.Is("array") && schema.Value.Items != nil {
		schema = schema.Value.Items
	}
	return schema.Ref == ""
}

// A checker is an API with the document that its answers are compared with.
type checker struct {
	doc        *openapi3.T
	operations map[string]*openapi3.Operation
	mux        *http.ServeMux // finds the operation of a request
}

var newChecker = sync.OnceValues(func() (*checker, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(document)
	if err != nil {
		return nil, err
	}
	c := &checker{doc, operationsOf(doc), http.NewServeMux()}
	for pattern := range c.operations {
		c.mux.Handle(pattern, http.NotFoundHandler())
	}
	return c, nil
})

// checked compares each JSON that a handler answers with the document: what all
// tests of the API are answered is as it says.
func checked(tb testing.TB, next http.Handler) http.Handler {
	tb.Helper()
	c, err := newChecker()
	if err != nil {
		tb.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := c.mux.Handler(r)
		o := c.operations[pattern]
		if o == nil || !strings.HasPrefix(r.URL.Path, "/api/") || o.Responses.Status(http.StatusOK).Value.Content.Get("application/json") == nil {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		if err := c.check(o, rec); err != nil {
			tb.Errorf("%s %s is not answered as %s says: %v\n%.500s", r.Method, r.URL, document, err, rec.Body)
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = rec.Body.WriteTo(w)
	})
}

// checkRefusal: what is refused is refused with a code that the operation tells, or one that
// all have, in a sentence for people.
func (c *checker) checkRefusal(o *openapi3.Operation, rec *httptest.ResponseRecorder) error {
	everywhere := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest, http.StatusInternalServerError, http.StatusServiceUnavailable}
	if o.Responses.Status(rec.Code) == nil && !slices.Contains(everywhere, rec.Code) {
		return fmt.Errorf("it does not tell of %d", rec.Code)
	}
	if media := rec.Header().Get("Content-Type"); !strings.HasPrefix(media, "text/plain") || strings.TrimSpace(rec.Body.String()) == "" {
		return fmt.Errorf("%d has no words, but %s", rec.Code, media)
	}
	return nil
}

func (c *checker) check(o *openapi3.Operation, rec *httptest.ResponseRecorder) error {
	if rec.Code != http.StatusOK {
		return c.checkRefusal(o, rec)
	}
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		return err
	}
	schema := o.Responses.Status(http.StatusOK).Value.Content.Get("application/json").Schema.Value
	return schema.VisitJSON(v, openapi3.EnableJSONSchema2020())
}

package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"framehub/session/wire"
)

var update = flag.Bool("update", false, "write the vectors in testdata again")

// The files of vectors.
const (
	messagesFile = "messages.json"
	blocksFile   = "blocks.json"
	invalidFile  = "invalid.json"
)

// A vector is one message or block in a file of vectors; testdata/README.md says
// what the fields mean.
type vector struct {
	Name       string          `json:"name"`
	Direction  string          `json:"direction,omitempty"`
	Type       *wire.Type      `json:"type,omitempty"`
	Hex        string          `json:"hex"`
	Diagnostic string          `json:"diagnostic,omitempty"`
	Canonical  *bool           `json:"canonical,omitempty"`
	Forms      []string        `json:"forms,omitempty"`
	Meaning    json.RawMessage `json:"meaning,omitempty"`
	Limits     *vectorLimits   `json:"limits,omitempty"`
	Code       wire.CloseCode  `json:"code,omitempty"`
	Refused    wire.Code       `json:"refused,omitempty"`
	Reason     string          `json:"reason,omitempty"`
}

type vectorLimits struct {
	Message int `json:"message,omitempty"`
	Rows    int `json:"rows,omitempty"`
	Ops     int `json:"ops,omitempty"`
	Subs    int `json:"subs,omitempty"`
	Scopes  int `json:"scopes,omitempty"`
}

// wire returns the limits of a vector that has some.
func (l *vectorLimits) wire() wire.Limits {
	if l == nil {
		return limits
	}
	return wire.Limits{Message: l.Message, Rows: l.Rows, Ops: l.Ops, Subs: l.Subs, Scopes: l.Scopes}
}

func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t, messagesFile, messageVectors(t))
		writeVectors(t, blocksFile, blockVectors(t))
		writeVectors(t, invalidFile, invalidVectors(t))
	}
	t.Run("messages", func(t *testing.T) { eachVector(t, messagesFile, checkMessage) })
	t.Run("blocks", func(t *testing.T) { eachVector(t, blocksFile, checkBlock) })
	t.Run("invalid", func(t *testing.T) { eachVector(t, invalidFile, checkInvalid) })
}

func checkMessage(t *testing.T, v vector) {
	t.Helper()
	msg := unhex(t, v.Hex)
	m, err := decode(v.Direction, msg, limits)
	if err != nil {
		t.Fatal(err)
	}
	if got := marshal(t, meaning(m)); got != normal(t, v.Meaning) {
		t.Errorf("the message means\n%s, the vector says\n%s", got, v.Meaning)
	}
	if got := m.Append(nil); *v.Canonical && !bytes.Equal(got, msg) {
		t.Errorf("encoded again it is %x", got)
	}
	if *v.Type == wire.TypePacked {
		return
	}
	again, err := readMessage(v.Direction, msg)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := marshal(t, again), nullForUndefined(normal(t, v.Meaning)); got != want {
		t.Errorf("to a generic decoder it means\n%s, the vector says\n%s", got, want)
	}
	checkDiagnostic(t, v, msg)
}

func checkBlock(t *testing.T, v vector) {
	t.Helper()
	data := unhex(t, v.Hex)
	b, err := wire.DecodeBlock(data, wire.DefaultRowLimit)
	if err != nil {
		t.Fatal(err)
	}
	if got := marshal(t, blockMeaning(b)); got != normal(t, v.Meaning) {
		t.Errorf("the block means\n%s, the vector says\n%s", got, v.Meaning)
	}
	if got := fmt.Sprint(formNames(b)); got != fmt.Sprint(v.Forms) {
		t.Errorf("the forms are %s, the vector says %s", got, v.Forms)
	}
	if got := b.Append(nil); *v.Canonical != bytes.Equal(got, data) {
		t.Errorf("encoded again it is %x, canonical is %t", got, *v.Canonical)
	}
	var tree any
	if err := generic.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	if got, want := marshal(t, readBlock(tree)), nullForUndefined(normal(t, v.Meaning)); got != want {
		t.Errorf("to a generic decoder it means\n%s, the vector says\n%s", got, want)
	}
	checkDiagnostic(t, v, data)
}

func checkInvalid(t *testing.T, v vector) {
	t.Helper()
	_, err := decode(v.Direction, unhex(t, v.Hex), v.Limits.wire())
	if err == nil {
		t.Fatal("it was accepted")
	}
	checkError(t, err)
	if r, ok := errors.AsType[*wire.Refusal](err); ok {
		if r.Code != v.Refused {
			t.Errorf("refused with %q (%v), the vector says %q", r.Code, err, v.Refused)
		}
	} else if code := wire.AsError(err).Code; code != v.Code {
		t.Errorf("code %d (%v), the vector says %d", code, err, v.Code)
	}
}

func checkDiagnostic(t *testing.T, v vector, msg []byte) {
	t.Helper()
	if got, err := wire.Diagnose(msg); err != nil || got != v.Diagnostic {
		t.Errorf("diagnostic notation is %s (%v), the vector says %s", got, err, v.Diagnostic)
	}
}

// nullForUndefined blurs what the generic decoder does not tell apart.
func nullForUndefined(meaning string) string {
	return strings.ReplaceAll(meaning, `["undefined"]`, `["NULL"]`)
}

func formNames(b wire.Block) []string {
	names := map[wire.Form]string{
		wire.Cells: "plain", wire.Uint8: "uint8", wire.Int8: "sint8", wire.Uint16: "uint16", wire.Int16: "sint16",
		wire.Uint32: "uint32", wire.Int32: "sint32", wire.Int64: "sint64", wire.Float32: "float32", wire.Float64: "float64",
	}
	var forms []string
	for _, c := range b.Cols {
		forms = append(forms, names[c.Form])
	}
	return forms
}

// eachVector runs check for every vector of a file.
func eachVector(t *testing.T, file string, check func(*testing.T, vector)) {
	t.Helper()
	seen := make(map[string]bool)
	for _, v := range readVectors(t, file) {
		if seen[v.Direction+v.Name] {
			t.Errorf("two vectors are named %q", v.Name)
		}
		seen[v.Direction+v.Name] = true
		t.Run(strings.TrimPrefix(v.Direction+"/"+v.Name, "/"), func(t *testing.T) { check(t, v) })
	}
}

func readVectors(tb testing.TB, file string) []vector {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		tb.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		tb.Fatal(err)
	}
	return all
}

// writeVectors writes a file with a line for each field.
func writeVectors(t *testing.T, file string, all []vector) {
	t.Helper()
	var lines []string
	for _, v := range all {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(marshal(t, v)), &fields); err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, name := range []string{
			"name", "direction", "type", "hex", "diagnostic", "canonical", "forms", "meaning", "limits", "code", "refused", "reason",
		} {
			if field, ok := fields[name]; ok {
				parts = append(parts, fmt.Sprintf("  %q: %s", name, field))
			}
		}
		lines = append(lines, "{\n"+strings.Join(parts, ",\n")+"\n}")
	}
	text := "[\n" + strings.Join(lines, ",\n") + "\n]\n"
	if err := os.WriteFile(filepath.Join("testdata", file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// marshal returns v as JSON in one line, with the keys of objects in order.
func marshal(tb testing.TB, v any) string {
	tb.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(buf.String())
}

// normal returns JSON as marshal does; no number in a vector is beyond 2^53.
func normal(tb testing.TB, text json.RawMessage) string {
	tb.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		tb.Fatal(err)
	}
	return marshal(tb, v)
}

// newVector returns what vectors of all files have.
func newVector(t *testing.T, name string, data []byte) vector {
	t.Helper()
	v := vector{Name: name, Hex: hex.EncodeToString(data)}
	v.Diagnostic, _ = wire.Diagnose(data) // an invalid one may have none
	return v
}

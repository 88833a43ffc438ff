package rules

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// kind is what a value of a file is.
type kind uint8

const (
	kindOther kind = iota // dates and times
	kindText
	kindNumber
	kindBool
	kindList
	kindTable
)

// String returns the kind as it is called in what is said to people.
func (k kind) String() string {
	return [...]string{"a date or a time", "a text", "a number", "true or false", "a list", "a table"}[k]
}

// A value of a file knows its line.
type value struct {
	kind    kind
	line    int
	text    string
	number  float64
	yes     bool
	list    []*value
	entries []*entry // of a table, in their order
}

// An entry is a key of a table with its value.
type entry struct {
	key   string
	line  int
	value *value
}

// readTree reads a file as a tree of values with their lines. A file that is no
// TOML has one mistake.
func readTree(data []byte) (*value, Mistakes) {
	var all map[string]any
	if err := toml.Unmarshal(data, &all); err != nil { // finds what is there twice, too
		line := 1
		if e, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, _ = e.Position()
		}
		return nil, Mistakes{{line, "this is no TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}}
	}
	r := treeReader{lines: []int{0}}
	for i, c := range data {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	root := &value{kind: kindTable, line: 1}
	at := root
	r.p.Reset(data)
	for r.p.NextExpression() {
		switch e := r.p.Expression(); e.Kind {
		case unstable.Table:
			at = r.descend(root, e.Key())
		case unstable.ArrayTable:
			at = r.element(root, e.Key())
		case unstable.KeyValue:
			r.keyValue(at, e)
		default: // comments
		}
	}
	return root, nil
}

type treeReader struct {
	p     unstable.Parser
	lines []int // where each begins
	line  int   // of the last key: of what has no place of its own
}

// lineOf returns the line of a node, of its key where the parser keeps no place.
func (r *treeReader) lineOf(n *unstable.Node) int {
	if n.Raw.Length > 0 {
		at, found := slices.BinarySearch(r.lines, int(n.Raw.Offset))
		if !found {
			at--
		}
		r.line = at + 1
	}
	return r.line
}

// descend returns the table that a key names, and makes it where it is not there.
func (r *treeReader) descend(at *value, key unstable.Iterator) *value {
	for key.Next() {
		n := key.Node()
		at = at.child(string(n.Data), r.lineOf(n))
	}
	return at
}

// element returns a new table at the end of the list that a key names.
func (r *treeReader) element(at *value, key unstable.Iterator) *value {
	for key.Next() {
		n := key.Node()
		name, line := string(n.Data), r.lineOf(n)
		if !key.IsLast() {
			at = at.child(name, line)
			continue
		}
		e := at.entry(name)
		if e == nil {
			e = &entry{name, line, &value{kind: kindList, line: line}}
			at.entries = append(at.entries, e)
		}
		at = &value{kind: kindTable, line: line}
		e.value.list = append(e.value.list, at)
	}
	return at
}

func (v *value) entry(key string) *entry {
	if i := slices.IndexFunc(v.entries, func(e *entry) bool { return e.key == key }); i >= 0 {
		return v.entries[i]
	}
	return nil
}

func (v *value) child(key string, line int) *value {
	e := v.entry(key)
	switch {
	case e == nil:
		e = &entry{key, line, &value{kind: kindTable, line: line}}
		v.entries = append(v.entries, e)
	case e.value.kind == kindList && len(e.value.list) > 0:
		return e.value.list[len(e.value.list)-1]
	}
	return e.value
}

func (r *treeReader) keyValue(at *value, e *unstable.Node) {
	key := e.Key()
	for key.Next() {
		n := key.Node()
		name, line := string(n.Data), r.lineOf(n)
		if key.IsLast() {
			at.entries = append(at.entries, &entry{name, line, r.value(e.Value())})
			return
		}
		at = at.child(name, line)
	}
}

func (r *treeReader) value(n *unstable.Node) *value {
	v := &value{line: r.lineOf(n)}
	switch n.Kind {
	case unstable.String:
		v.kind, v.text = kindText, string(n.Data)
	case unstable.Bool:
		v.kind, v.yes = kindBool, string(n.Data) == "true"
	case unstable.Integer, unstable.Float:
		v.kind, v.number = kindNumber, number(string(n.Data))
	case unstable.Array:
		v.kind = kindList
		for it := n.Children(); it.Next(); {
			v.list = append(v.list, r.value(it.Node()))
		}
	case unstable.InlineTable:
		v.kind = kindTable
		for it := n.Children(); it.Next(); {
			r.keyValue(v, it.Node())
		}
	default:
	}
	return v
}

// number reads a number that the parser has found to be one.
func number(s string) float64 {
	s = strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(s, 0, 64); err == nil {
		return float64(i)
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range: an infinity, which no rule takes
	return f
}

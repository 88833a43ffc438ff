package hub

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"framehub/session/wire"
	"framehub/store"
)

// maxTerms bounds the terms of a filter.
const maxTerms = 16

// parseFilter reads what operators filter rows by: terms with spaces between them, all of
// which hold. A term is COLUMN, one of store.Comparisons, and a value, or a word that some
// text of the row has in it. What has a space in it stands in quotes.
func parseFilter(t *store.Table, text string) ([]store.Condition, error) {
	terms, err := splitTerms(text)
	if err != nil {
		return nil, err
	}
	if len(terms) > maxTerms {
		return nil, &BadQueryError{fmt.Sprintf("a filter has at most %d terms, this has %d", maxTerms, len(terms))}
	}
	all := make([]store.Condition, 0, len(terms))
	for _, term := range terms {
		c, err := parseTerm(t, term)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// splitTerms splits a text at spaces that are in no quotes, which it leaves where they are.
func splitTerms(text string) (terms []string, err error) {
	var term strings.Builder
	quote := rune(0)
	for _, r := range text {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'':
			quote = r
		case r == ' ' || r == '\t':
			if term.Len() > 0 {
				terms = append(terms, term.String())
				term.Reset()
			}
			continue
		}
		term.WriteRune(r)
	}
	if quote != 0 {
		return nil, &BadQueryError{fmt.Sprintf("a %c is not closed", quote)}
	}
	if term.Len() > 0 {
		terms = append(terms, term.String())
	}
	return terms, nil
}

func parseTerm(t *store.Table, term string) (store.Condition, error) {
	at, op := len(term), ""
	for _, one := range store.Comparisons { // the longer ones come first where two begin alike
		if i := strings.Index(term, one); i > 0 && (i < at || i == at && len(one) > len(op)) {
			at, op = i, one
		}
	}
	if op == "" || strings.ContainsAny(term[:1], `"'`) {
		return store.Condition{Column: -1, Op: "~", Value: wire.TextValue(unquoted(term))}, nil
	}
	name, value := term[:at], term[at+len(op):]
	column := slices.IndexFunc(t.Columns, func(c store.Column) bool { return strings.EqualFold(c.Name, name) })
	if column < 0 {
		names := make([]string, len(t.Columns))
		for i := range names {
			names[i] = t.Columns[i].Name
		}
		return store.Condition{}, &BadQueryError{fmt.Sprintf("table %q has no column %q, it has %s", t.Name, name, strings.Join(names, ", "))}
	}
	v, err := filterValue(&t.Columns[column], value)
	if err == nil && op == "~" {
		v = wire.TextValue(unquoted(value))
	}
	return store.Condition{Column: column, Op: op, Value: v}, err
}

func unquoted(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// filterValue reads a value as a column has it: null, x'…', a number, a text.
func filterValue(c *store.Column, s string) (wire.Value, error) {
	plain := unquoted(s)
	switch {
	case plain != s:
		return wire.TextValue(plain), nil
	case strings.EqualFold(s, "null"):
		return wire.Value{}, nil
	case len(s) > 2 && strings.HasPrefix(s, "x'") && strings.HasSuffix(s, "'"):
		b, err := hex.DecodeString(s[2 : len(s)-1])
		if err != nil {
			return wire.Value{}, &BadQueryError{fmt.Sprintf("%s is no blob: write its bytes in hexadecimal, as x'00ff'", s)}
		}
		return wire.BlobValue(b), nil
	case c.Type == "TEXT":
		return wire.TextValue(s), nil
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return wire.IntegerValue(i), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		return wire.RealValue(f), nil
	}
	if c.Type == "ANY" {
		return wire.TextValue(s), nil
	}
	what := map[string]string{"BLOB": "a blob, as x'00ff'"}[c.Type]
	if what == "" {
		what = "a number"
	}
	return wire.Value{}, &BadQueryError{fmt.Sprintf("column %q is compared with %s, or null, not with %q", c.Name, what, s)}
}

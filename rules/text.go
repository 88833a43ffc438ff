package rules

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"framehub/session/wire"
)

// checkTexts mends a column's texts and refuses those that can't be. A key is
// not mended, it would name another row: it must be right as it comes.
func (t *compiledTable) checkTexts(e *editor, i int, col *compiledColumn, isKey bool) *wire.Refusal {
	b := e.block
	at := b.Cols[i].At
	if b.Cols[i].Form != wire.Cells {
		return refuseRow(wire.CodeType, 0, "column %q of table %q has text rules and takes texts, not numbers", col.name, t.name)
	}
	for row := range b.N {
		c := &b.Cells[at+row]
		switch c.Kind {
		case wire.Null:
			continue
		case wire.Text:
		default: // SQL could make a text of it that nobody has checked
			return refuseRow(wire.CodeType, row, "column %q of table %q has text rules and takes texts, not %s", col.name, t.name, c.Kind)
		}
		was := b.Value(i, row).Bytes()
		is, wrong := col.text.fix(was)
		if wrong == "" && isKey && is != was {
			wrong = "a text of the key must be Unicode NFC, and without space at its ends where trim is set"
		}
		if wrong != "" {
			return refuseRow(wire.CodeConstraint, row, "column %q of table %q: %s", col.name, t.name, wrong)
		}
		if is != was {
			e.setText(c, is)
		}
	}
	return nil
}

// fix returns a text as the rules want it, or which rule it breaks.
func (r *textRule) fix(s string) (out, wrong string) {
	if r.trim {
		s = strings.TrimSpace(s)
	}
	characters, ascii := len(s), true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if !ascii {
		s = norm.NFC.String(s)
		characters = utf8.RuneCountInString(s)
	}
	for i, c := range s {
		if r.refuses(c) {
			return "", fmt.Sprintf("the text has the character %U, at byte %d, which it may not have", c, i)
		}
	}
	if r.max != 0 && characters > r.max {
		return "", fmt.Sprintf("the text has %d characters, the most is %d (max)", characters, r.max)
	}
	if r.pattern != nil && !r.pattern.MatchString(s) {
		return "", fmt.Sprintf("the text does not match the pattern %q", r.source)
	}
	return s, ""
}

// refuses says whether a text may not have a character: control characters, line
// breaks unless there may be several lines, and what turns the direction of
// writing around, by which a text can look like another.
func (r *textRule) refuses(c rune) bool {
	switch {
	case c >= ' ' && c < 0x7f:
		return false
	case c == '\n', c == '\t', c == '\u2028', c == '\u2029':
		return !r.multiline
	default:
		return unicode.IsControl(c) || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 || c == 0xfeff
	}
}

package rules

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parse reads the rules of a configuration file, and finds every mistake that
// can be found without the schema. Keys has the names of what the file may set
// beside rules, true for what takes a list; nil: any.
func Parse(data []byte, keys map[string]bool) (*Set, Mistakes) {
	root, mistakes := readTree(data)
	if mistakes != nil {
		return nil, mistakes
	}
	p := &parser{}
	s := &Set{}
	for _, e := range root.entries {
		takesList, known := keys[e.key]
		switch {
		case e.key == "tables":
			p.tables(s, e)
		case e.key == "events":
			p.events(s, e)
		case e.key == "limits":
			each(p, e, "limits", limitRules, &s.limits)
		case keys == nil:
		case !known:
			p.add(e.line, "unknown key %q: %s", e.key, suggest(e.key, append(slices.Sorted(maps.Keys(keys)), "tables", "events", "limits")))
		case e.value.kind == kindTable || e.value.kind == kindList && !takesList:
			p.add(e.line, "%s is %v, it must be one value", e.key, e.value.kind)
		}
	}
	return s, p.sorted()
}

// Names returns the names of all rules, as docs/rules.md calls them.
func Names() []string {
	var names []string
	for _, r := range tableRuleList {
		names = append(names, r.name)
	}
	for _, r := range textRuleList {
		names = append(names, "text."+r.name)
	}
	for _, r := range blobRuleList {
		names = append(names, "blob."+r.name)
	}
	for _, r := range eventRuleList {
		names = append(names, "events."+r.name)
	}
	for _, r := range limitRules {
		names = append(names, "limits."+r.name)
	}
	return names
}

type parser struct{ Mistakes }

// A rule has a name, and what reads it into a T.
type rule[T any] struct {
	name string
	read func(*parser, T, *entry)
}

var limitRules = []rule[*Limits]{
	{"messages", func(p *parser, l *Limits, e *entry) { l.Messages = p.rate(e, false) }},
	{"rows", func(p *parser, l *Limits, e *entry) { l.Rows = p.rate(e, false) }},
	{"bytes", func(p *parser, l *Limits, e *entry) { l.Bytes = p.rate(e, true) }},
	{"events", func(p *parser, l *Limits, e *entry) { l.Events = p.rate(e, false) }},
}

var tableRuleList []rule[*tableRules]

var textRuleList = []rule[*textRule]{
	{"max", func(p *parser, t *textRule, e *entry) { t.max = p.count(e) }},
	{"trim", func(p *parser, t *textRule, e *entry) { t.trim = p.yes(e) }},
	{"multiline", func(p *parser, t *textRule, e *entry) { t.multiline = p.yes(e) }},
	{"pattern", (*parser).pattern},
}

var blobRuleList = []rule[*blobRule]{
	{"max", func(p *parser, b *blobRule, e *entry) { b.max = p.size(e) }},
}

func init() { // what a rule for columns reads lists rules itself
	tableRuleList = []rule[*tableRules]{
		{"scope", func(p *parser, t *tableRules, e *entry) { t.scope = p.column(e) }},
		{"scopes", (*parser).scopes},
		{"writers", (*parser).sqlWriters},
		{"on-demand", func(p *parser, t *tableRules, e *entry) { t.onDemand = p.yes(e) }},
		{"read", func(p *parser, t *tableRules, e *entry) { t.read = p.who(e) }},
		{"insert", func(p *parser, t *tableRules, e *entry) { t.insert = p.writers(e) }},
		{"update", func(p *parser, t *tableRules, e *entry) { t.update = p.writers(e) }},
		{"delete", func(p *parser, t *tableRules, e *entry) { t.remove = p.writers(e) }},
		{"read-only", func(p *parser, t *tableRules, e *entry) { t.readOnly = p.columns(e) }},
		{"server-only", func(p *parser, t *tableRules, e *entry) { t.serverOnly = p.columns(e) }},
		{"owner", func(p *parser, t *tableRules, e *entry) { t.owner = p.column(e) }},
		{"give", func(p *parser, t *tableRules, e *entry) { t.give = p.writers(e) }},
		{"on-gone", (*parser).onGone},
		{"max-owned", func(p *parser, t *tableRules, e *entry) { t.maxOwned, t.maxOwnedLine = p.count(e), e.line }},
		{"map", (*parser).position},
		{"precision", (*parser).precisions},
		{"text", (*parser).texts},
		{"blob", (*parser).blobs},
	}
}

func (p *parser) tables(s *Set, e *entry) {
	if e.value.kind != kindTable {
		p.add(e.line, "tables is %v: the rules of a table stand under [tables.NAME]", e.value.kind)
		return
	}
	for _, one := range e.value.entries {
		t := &tableRules{name: one.key, line: one.line, read: who{roles: everyone}, give: who{roles: trusted}}
		each(p, one, "table "+strconv.Quote(one.key), tableRuleList, t)
		p.consistent(t)
		s.tables = append(s.tables, t)
	}
}

// each reads the rules that stand in a table of the file into a T.
func each[T any](p *parser, e *entry, what string, known []rule[T], into T) {
	if e.value.kind != kindTable {
		p.add(e.line, "%s is %s, it must be a table of rules", what, e.value.kind)
		return
	}
	for _, one := range e.value.entries {
		if i := slices.IndexFunc(known, func(r rule[T]) bool { return r.name == one.key }); i >= 0 {
			known[i].read(p, into, one)
			continue
		}
		names := make([]string, len(known))
		for i := range known {
			names[i] = known[i].name
		}
		p.add(one.line, "unknown rule %q of %s: %s", one.key, what, suggest(one.key, names))
	}
}

// consistent finds rules of a table that contradict each other.
func (p *parser) consistent(t *tableRules) {
	for _, w := range []struct {
		name string
		who
	}{{"insert", t.insert}, {"update", t.update}, {"delete", t.remove}} {
		if blind := w.roles &^ t.read.roles; blind != noRole && w.line != 0 {
			p.add(w.line, "%s lets %v write table %q, which read keeps from it: add it to read, or take it out here", w.name, blind, t.name)
		}
	}
	if t.owner.name == "" {
		if t.give.line != 0 {
			p.add(t.give.line, "give says who may hand on the rows of table %q, which has no owner: add owner = \"COLUMN\"", t.name)
		}
		if t.onGone != 0 {
			p.add(t.onGone, "on-gone says what becomes of a user's rows, and table %q has no owner: add owner = \"COLUMN\"", t.name)
		}
		if t.maxOwnedLine != 0 {
			p.add(t.maxOwnedLine, "max-owned counts the rows of a user, and table %q has no owner: add owner = \"COLUMN\"", t.name)
		}
	}
	if t.byToken && t.scope.name == "" {
		p.add(t.scopesLine, "scopes = \"token\" compares the scope column with a token's, and table %q has none: add scope = \"COLUMN\"", t.name)
	}
	seen := map[string]bool{}
	for _, c := range t.readOnly {
		seen[c.name] = true
	}
	for _, c := range t.serverOnly {
		if seen[c.name] {
			p.add(c.line, "column %q of table %q is in read-only and in server-only: leave it in one", c.name, t.name)
		}
	}
	if t.owner.name != "" && seen[t.owner.name] {
		p.add(t.owner.line, "the owner column %q of table %q is in read-only, and the hub could not fill it in: take it out there", t.owner.name, t.name)
	}
}

func (p *parser) scopes(t *tableRules, e *entry) {
	t.scopesLine = e.line
	switch {
	case e.value.kind == kindText && e.value.text == "token":
		t.byToken = true
	case e.value.kind == kindText && e.value.text == "any":
	default:
		p.add(e.line, "scopes must be \"token\" (those that a device's token lists) or \"any\"")
	}
}

func (p *parser) onGone(t *tableRules, e *entry) {
	if e.value.kind != kindText || e.value.text != "delete" {
		p.add(e.line, "on-gone must be \"delete\": what becomes of a user's rows when the last of his devices has gone")
	}
	t.onGone = e.line
}

func (p *parser) sqlWriters(t *tableRules, e *entry) {
	switch {
	case e.value.kind == kindText && e.value.text == "sql":
		t.shared = e.line
	case e.value.kind == kindText && e.value.text == "hub":
		t.alone = true
	default:
		p.add(e.line, "writers must be \"sql\", for tables that other programs write with SQL too, or \"hub\"")
	}
}

func (p *parser) position(t *tableRules, e *entry) {
	columns := p.columns(e)
	if e.value.kind == kindList && len(columns) != 2 {
		p.add(e.line, "map must name two columns that say where a row of table %q is, as in [\"x\", \"y\"]", t.name)
		return
	}
	t.position = columns
}

func (p *parser) precisions(t *tableRules, e *entry) {
	if e.value.kind != kindTable {
		p.add(e.line, "precision must be a table of columns, as in { x = 0.001 }, not %s", e.value.kind)
		return
	}
	for _, one := range e.value.entries {
		step := one.value.number
		switch {
		case one.value.kind != kindNumber:
			p.add(one.line, "the precision of column %q must be a number, as in 0.001, not %s", one.key, one.value.kind)
		case !(step > 0) || math.IsInf(step, 0):
			p.add(one.line, "the precision of column %q is %v, it must be above 0", one.key, step)
		default:
			t.precision = append(t.precision, precisionRule{column{one.key, one.line}, step})
		}
	}
}

// perColumn calls f for each column under [tables.NAME.text] or [tables.NAME.blob].
func (p *parser) perColumn(t *tableRules, e *entry, f func(*entry, column)) {
	if e.value.kind != kindTable {
		p.add(e.line, "the %s rules of a column stand under [tables.%s.%s.COLUMN]", e.key, t.name, e.key)
		return
	}
	for _, one := range e.value.entries {
		if one.value.kind != kindTable {
			p.add(one.line, "the %s rules of column %q stand under [tables.%s.%s.%s]", e.key, one.key, t.name, e.key, one.key)
			continue
		}
		f(one, column{one.key, one.line})
	}
}

func (p *parser) texts(t *tableRules, e *entry) {
	p.perColumn(t, e, func(one *entry, c column) {
		r := &textRule{column: c}
		each(p, one, "a text column", textRuleList, r)
		t.texts = append(t.texts, r)
	})
}

func (p *parser) blobs(t *tableRules, e *entry) {
	p.perColumn(t, e, func(one *entry, c column) {
		r := blobRule{column: c}
		each(p, one, "a blob column", blobRuleList, &r)
		if len(one.value.entries) == 0 {
			p.add(one.line, "the blob rules of column %q say nothing: add max, as in max = \"64KiB\"", c.name)
		}
		t.blobs = append(t.blobs, r)
	})
}

func (p *parser) pattern(t *textRule, e *entry) {
	if e.value.kind != kindText {
		p.add(e.line, "pattern must be a regular expression in quotes, not %s", e.value.kind)
		return
	}
	if _, err := regexp.Compile(e.value.text); err != nil { // alone, so that it can't close the brackets below
		p.add(e.line, "the pattern is no regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	whole, err := regexp.Compile(`\A(?:` + e.value.text + `)\z`)
	if err != nil {
		p.add(e.line, "the pattern is too large: %v", err)
		return
	}
	t.pattern, t.source = whole, e.value.text
}

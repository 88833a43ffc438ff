package rules

import (
	"fmt"
	"strconv"
	"strings"

	"framehub/session/wire"
)

// Words are the rules of a table in words, for operators.
type Words struct {
	Open   bool              // there are no rules: everything is allowed
	Rights map[string]string // by role: of the letters r, i, u and d those that it has
	Rules  []string          // what else holds
}

// Words describes the rules of a table.
func (c *Compiled) Words(table int) Words {
	w := Words{Open: c.open, Rights: map[string]string{}}
	for _, role := range roleNames {
		w.Rights[role] = rightLetters(c.Rights(role, table))
	}
	t := c.tables[table]
	if t == nil {
		return w
	}
	say := func(format string, args ...any) { w.Rules = append(w.Rules, fmt.Sprintf(format, args...)) }
	r := t.rules
	if r.scope.name != "" {
		say("devices subscribe by %s", r.scope.name)
	}
	if t.scope >= 0 {
		say("only to those that their token lists")
	}
	if r.onDemand {
		say("only who asks for it gets it")
	}
	if r.alone {
		say("only the hub writes it, no other program")
	}
	t.ownerWords(say)
	for i := range t.columns {
		t.columns[i].words(say)
	}
	return w
}

func rightLetters(r wire.Rights) string {
	var out strings.Builder
	for _, one := range []struct {
		right  wire.Rights
		letter byte
	}{{wire.RightRead, 'r'}, {wire.RightInsert, 'i'}, {wire.RightUpdate, 'u'}, {wire.RightDelete, 'd'}} {
		if r&one.right != 0 {
			out.WriteByte(one.letter)
		}
	}
	return out.String()
}

func (t *compiledTable) ownerWords(say func(string, ...any)) {
	if t.owner < 0 {
		return
	}
	say("%s says whose a row is", t.columns[t.owner].name)
	if t.maxOwned > 0 {
		say("a user owns %d rows at most", t.maxOwned)
	}
	if t.rules.onGone != 0 {
		say("rows go when their owner has gone")
	}
}

func (c *compiledColumn) words(say func(string, ...any)) {
	switch c.access {
	case accessTrusted:
		say("%s is set by trusted roles only", c.name)
	case accessNone:
		say("%s is set by SQL only", c.name)
	case accessAll:
	}
	if c.precision != nil {
		say("%s is kept to %s", c.name, strconv.FormatFloat(c.precision.over/c.precision.under, 'g', -1, 64))
	}
	if x := c.text; x != nil {
		say("%s", c.name+x.words())
	}
	if c.blob > 0 {
		say("%s has %d bytes at most", c.name, c.blob)
	}
}

func (r *textRule) words() string {
	lines := "one line"
	if r.multiline {
		lines = "lines"
	}
	out := " is a text of " + lines
	if r.max > 0 {
		out += fmt.Sprintf(" with %d characters at most", r.max)
	}
	if r.pattern != nil {
		out += " like " + r.source
	}
	return out
}

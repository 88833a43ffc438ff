package rules

import (
	"math"
	"regexp"
	"slices"
	"strconv"
)

// How values of a file are read, whichever rule has them. What can't be one is a mistake, and
// read as nothing.

func (p *parser) column(e *entry) column {
	if e.value.kind != kindText || e.value.text == "" {
		p.add(e.line, "%s must be the name of a column in quotes, not %s", e.key, e.value.kind)
		return column{}
	}
	return column{e.value.text, e.line}
}

func (p *parser) columns(e *entry) (all []column) {
	if e.value.kind != kindList {
		p.add(e.line, "%s must be a list of columns, as in [\"score\"], not %s", e.key, e.value.kind)
		return nil
	}
	for _, v := range e.value.list {
		switch {
		case v.kind != kindText || v.text == "":
			p.add(v.line, "%s lists columns by their names in quotes, not %s", e.key, v.kind)
		case slices.ContainsFunc(all, func(c column) bool { return c.name == v.text }):
			p.add(v.line, "%s lists column %q twice", e.key, v.text)
		default:
			all = append(all, column{v.text, v.line})
		}
	}
	return all
}

// who reads a list of roles, "all" or "none".
func (p *parser) who(e *entry) who {
	w := who{line: e.line}
	switch v := e.value; {
	case v.kind == kindText && v.text == "all":
		w.roles = everyone
	case v.kind == kindText && v.text == "none":
	case v.kind == kindText && roleOf(v.text) != noRole:
		p.add(e.line, "%s must be a list of roles: write [%q]", e.key, v.text)
	case v.kind == kindList:
		for _, one := range v.list {
			role := roleOf(one.text)
			if one.kind != kindText {
				p.add(one.line, "%s lists roles by their names in quotes, not %s", e.key, one.kind)
			} else if role == noRole {
				p.add(one.line, "%s lists the unknown role %q: %s", e.key, one.text, suggest(one.text, roleNames))
			}
			w.roles |= role
		}
	default:
		p.add(e.line, "%s must be a list of roles, as in [\"device\"], or \"all\" or \"none\"", e.key)
	}
	return w
}

// writers reads who may write, which an observer never may.
func (p *parser) writers(e *entry) who {
	w := p.who(e)
	if w.roles&observer != 0 && w.roles != everyone {
		p.add(e.line, "%s lists the role observer, which only reads: take it out", e.key)
	}
	w.roles &^= observer
	return w
}

func (p *parser) yes(e *entry) bool {
	if e.value.kind != kindBool {
		p.add(e.line, "%s must be true or false, not %s", e.key, e.value.kind)
	}
	return e.value.yes
}

// count reads a whole number above 0.
func (p *parser) count(e *entry) int {
	n := e.value.number
	if e.value.kind != kindNumber || n < 1 || n > math.MaxInt32 || n != math.Trunc(n) {
		p.add(e.line, "%s must be a whole number from 1 to %d", e.key, math.MaxInt32)
		return 0
	}
	return int(n)
}

var sizeText = regexp.MustCompile(`^([0-9]{1,10})(B|KiB|MiB|GiB)$`)

// size reads a number of bytes.
func (p *parser) size(e *entry) int {
	n := e.value.number
	if m := sizeText.FindStringSubmatch(e.value.text); m != nil {
		n, _ = strconv.ParseFloat(m[1], 64)
		n *= map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[m[2]]
	} else if e.value.kind != kindNumber {
		n = 0
	}
	if n < 1 || n > math.MaxInt32 || n != math.Trunc(n) {
		p.add(e.line, "%s must be a number of bytes above 0 and below 2 GiB, as 65536 or \"64KiB\"", e.key)
		return 0
	}
	return int(n)
}

// rate reads NUMBER or { rate = NUMBER, burst = NUMBER }.
func (p *parser) rate(e *entry, bytes bool) Rate {
	read := p.count
	if bytes {
		read = p.size
	}
	if e.value.kind != kindTable {
		n := read(e)
		return Rate{float64(n), n}
	}
	var r Rate
	rate, burst := e.value.entry("rate"), e.value.entry("burst")
	for _, one := range e.value.entries {
		if one.key != "rate" && one.key != "burst" {
			p.add(one.line, "%s has no %q: %s", e.key, one.key, suggest(one.key, []string{"rate", "burst"}))
		}
	}
	if rate == nil {
		p.add(e.line, "%s must say its rate, as in { rate = 100, burst = 200 }", e.key)
		return r
	}
	n := read(rate)
	r = Rate{float64(n), n}
	if burst != nil {
		r.Burst = read(burst)
	}
	return r
}

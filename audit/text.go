package audit

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxText bounds a text of a line, in bytes before it is escaped.
const maxText = 300

// Text returns a text from outside as it may stand in a log: cut at 300 bytes,
// and with everything escaped that is not printable, such as line breaks, the
// sequences that terminals obey, and marks that turn the direction of reading.
func Text(s string) string {
	cut := len(s) > maxText
	if cut {
		n := maxText
		for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x`)
			b.WriteString(strconv.FormatUint(uint64(s[i]), 16))
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	if cut {
		b.WriteString("…")
	}
	return b.String()
}

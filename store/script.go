package store

import (
	"fmt"
	"strings"

	"framehub/store/internal/sqlite"
)

// A ScriptError is what SQLite has against a statement of a file of SQL.
type ScriptError struct {
	Line int // in which the statement begins, from 1
	Err  error
}

func (e *ScriptError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *ScriptError) Unwrap() error { return e.Err }

// runScript runs the statements of a text, each alone, so that an error can say where it
// is: SQLite counts no lines. What came before it is done.
func runScript(c *sqlite.Conn, text string) error {
	line := 1
	for text != "" {
		begin := skipBlank(text)
		line += strings.Count(text[:len(text)-len(begin)], "\n")
		statement, rest := begin, ""
		if stmt, after, err := c.PrepareOne(begin); err == nil { // else Exec says what is wrong
			statement, rest = begin[:len(begin)-len(after)], after
			if stmt != nil {
				stmt.Close()
			}
		}
		if err := c.Exec(statement); err != nil {
			return &ScriptError{line, err}
		}
		line += strings.Count(statement, "\n")
		text = rest
	}
	return nil
}

// skipBlank returns a text from where its first statement begins: behind spaces,
// comments and semicolons.
func skipBlank(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n\f;\ufeff")
		var end string
		switch {
		case strings.HasPrefix(text, "--"):
			end = "\n"
		case strings.HasPrefix(text, "/*"):
			end = "*/"
		default:
			return text
		}
		_, text, _ = strings.Cut(text, end)
	}
}

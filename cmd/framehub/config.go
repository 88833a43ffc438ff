package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"framehub/rules"
)

// A config is a framehub.toml: keys named as flags of serve, and rules, under
// [tables.NAME], [events.NAME] and [limits]. Flags win over the environment, and both over it.
type config struct {
	path  string          // "": there is no file
	keys  map[string]bool // true: it takes a list
	flags map[string]any
	rules *rules.Set // nil: there is no file
}

// load reads a configuration file; kong calls it for --config.
func (c *config) load(r io.Reader) (kong.Resolver, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if f, ok := r.(*os.File); ok {
		c.path = f.Name()
	}
	if c.rules, err = c.parse(b); err != nil {
		return nil, err
	}
	return c, toml.Unmarshal(b, &c.flags)
}

// reread reads the file's rules as they are now.
func (c *config) reread() (*rules.Set, error) {
	b, err := os.ReadFile(c.path)
	if err != nil {
		return nil, err
	}
	return c.parse(b)
}

func (c *config) parse(b []byte) (*rules.Set, error) {
	set, mistakes := rules.Parse(b, c.keys)
	if len(mistakes) > 0 {
		return nil, &fileError{c.path, mistakes}
	}
	return set, nil
}

// named adds the file's name to what rules say of its lines.
func (c *config) named(err error) error {
	if m, ok := errors.AsType[rules.Mistakes](err); ok {
		return &fileError{c.path, m}
	}
	return err
}

// A fileError is all that is wrong in a configuration file.
type fileError struct {
	path     string
	mistakes rules.Mistakes
}

// Error lists the mistakes as FILE:LINE: what is wrong, what to do.
func (m *fileError) Error() string {
	lines := make([]string, len(m.mistakes))
	for i, one := range m.mistakes {
		lines[i] = fmt.Sprintf("%s:%d: %s", m.path, one.Line, one.Text)
	}
	return strings.Join(lines, "\n")
}

// serveKeys are the flags of serve, which the file may set.
func serveKeys(app *kong.Application) map[string]bool {
	keys := map[string]bool{}
	for _, command := range app.Leaves(false) {
		if command.Name != "serve" {
			continue
		}
		for _, group := range command.AllFlags(true) {
			for _, f := range group {
				if f.Name != "help" && f.Name != "config" {
					keys[f.Name] = f.IsSlice()
				}
			}
		}
	}
	return keys
}

// Validate implements kong.Resolver; load has looked at everything.
func (c *config) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (c *config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	value, ok := c.flags[flag.Name]
	if !ok {
		return nil, nil
	}
	if list, ok := value.([]any); ok {
		return list, nil
	}
	return strings.TrimSpace(fmt.Sprint(value)), nil
}

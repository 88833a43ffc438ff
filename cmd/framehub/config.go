package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
)

// A config is a framehub.toml: keys named as flags, and the rules of tables,
// each under [tables.NAME]. Flags win over the environment, and both over it.
type config struct {
	flags  map[string]any
	Tables map[string]tableRules
}

// tableRules are the rules of one table.
type tableRules struct {
	Scope string `toml:"scope"` // the column that devices subscribe by
}

// load reads a configuration file; kong calls it for --config.
func (c *config) load(r io.Reader) (kong.Resolver, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if err := toml.Unmarshal(b, &c.flags); err != nil {
		return nil, located(err)
	}
	var known struct {
		Tables map[string]tableRules `toml:"tables"`
	}
	if err := toml.Unmarshal(b, &known); err != nil {
		return nil, located(err)
	}
	if err := strictTables(c.flags["tables"]); err != nil {
		return nil, err
	}
	delete(c.flags, "tables")
	c.Tables = known.Tables
	return c, nil
}

// located puts where a mistake is in front of what it is.
func located(err error) error {
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := e.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

// strictTables refuses rules that are not known: a mistyped one must not be lost.
func strictTables(tables any) error {
	all, _ := tables.(map[string]any)
	for name, rules := range all {
		m, ok := rules.(map[string]any)
		if !ok {
			return fmt.Errorf("tables.%s must be a table of rules", name)
		}
		for rule := range m {
			if rule != "scope" {
				return fmt.Errorf("[tables.%s] has an unknown rule %q", name, rule)
			}
		}
	}
	return nil
}

// Validate implements kong.Resolver: every key must be a flag.
func (c *config) Validate(app *kong.Application) error {
	var known []string
	for _, command := range app.Leaves(false) {
		for _, group := range command.AllFlags(false) {
			for _, f := range group {
				known = append(known, f.Name)
			}
		}
	}
	for key := range c.flags {
		if !slices.Contains(known, key) {
			return fmt.Errorf("unknown key %q in the configuration file: keys are named as the flags of framehub serve", key)
		}
	}
	return nil
}

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
	switch value := value.(type) {
	case []any:
		if flag.IsSlice() {
			return value, nil
		}
		return nil, fmt.Errorf("%s in the configuration file must be one value", flag.Name)
	case map[string]any:
		return nil, fmt.Errorf("%s in the configuration file must be one value", flag.Name)
	}
	return strings.TrimSpace(fmt.Sprint(value)), nil
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"framehub/hub"
	"framehub/mvsqlite"
	"framehub/rules"
	"framehub/store"
)

type checkConfigCommand struct {
	Config string `required:"" placeholder:"FILE" help:"The configuration file to look at."`
	Schema string `placeholder:"FILE" xor:"tables" help:"SQL that makes the tables; default: as the file says."`
	DB     string `name:"db" placeholder:"FILE" xor:"tables" help:"A database that has the tables; default: as the file says."`
	JSON   bool   `name:"json" help:"Print a list of mistakes in JSON."`

	cluster bool // the database is on mvSQLite
}

// Run prints every mistake of the file as FILE:LINE: what is wrong, what to do.
func (k *checkConfigCommand) Run(a *app, file *config) error {
	data, err := os.ReadFile(k.Config)
	if err != nil {
		_, _ = fmt.Fprintf(a.err, "framehub: --config: %v\n", err)
		return exitError(exitUsage)
	}
	set, mistakes := rules.Parse(data, file.keys)
	var modes []string
	if len(mistakes) == 0 {
		tables, err := k.tables(data)
		if err != nil {
			_, _ = fmt.Fprintf(a.err, "framehub: %v\n", err)
			return exitError(exitUsage)
		}
		if tables == nil {
			_, _ = fmt.Fprintf(a.err, "%s: tables and columns were not looked at: name them with --schema FILE or --db FILE\n", k.Config)
		} else {
			modes = writersOf(set, tables, k.cluster)
			_, mistakes = set.Compile(hub.RuleTables(tables))
			for _, advice := range hub.Advice(set, tables) {
				_, _ = fmt.Fprintf(a.err, "%s: %s\n", k.Config, advice)
			}
		}
	}
	if err := k.print(a, mistakes, modes); err != nil {
		return err
	}
	if len(mistakes) > 0 {
		return exitError(exitFailed)
	}
	return nil
}

func (k *checkConfigCommand) print(a *app, mistakes rules.Mistakes, modes []string) error {
	if k.JSON {
		type one struct {
			File string `json:"file"`
			rules.Mistake
		}
		all := []one{}
		for _, m := range mistakes {
			all = append(all, one{k.Config, m})
		}
		return json.NewEncoder(a.out).Encode(all)
	}
	text := strings.Join(append([]string{k.Config + ": no mistakes"}, modes...), "\n")
	if len(mistakes) > 0 {
		text = (&fileError{k.Config, mistakes}).Error()
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

// writersOf says of each table who may write it, and on mvSQLite when it is merged.
func writersOf(set *rules.Set, tables []*store.Table, cluster bool) (modes []string) {
	alone := set.Alone()
	for _, t := range tables {
		if t.Own && strings.HasPrefix(t.Name, "_") { // nobody needs to know of it
			continue
		}
		if cluster {
			mode := "written by the hub alone, merged beside the frames"
			if why := t.WhySQL(); why != "" {
				mode = "written by the hub alone, merged in its frame: " + why
			}
			modes = append(modes, fmt.Sprintf("table %q: %s", t.Name, mode))
			continue
		}
		mode := "written by the hub, and by other programs with SQL"
		switch why := t.WhyAlone(); {
		case why != "":
			mode = "written by the hub alone: " + why
		case alone[t.Name]:
			mode = "written by the hub alone: writers = \"hub\""
		}
		modes = append(modes, fmt.Sprintf("table %q: %s", t.Name, mode))
	}
	return modes
}

// tables returns those that the rules are for: of the flags, or of the database or
// the schema that the file itself names; nil where there are none.
func (k *checkConfigCommand) tables(data []byte) ([]*store.Table, error) {
	var file struct {
		DB     any `toml:"db"`
		Schema any `toml:"schema"`
	}
	if err := toml.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	db, schema := k.DB, k.Schema
	if db == "" && schema == "" {
		db, schema = existing(file.DB), existing(file.Schema)
	}
	if at, _ := file.DB.(string); mvsqlite.Is(k.DB) || k.DB == "" && mvsqlite.Is(at) {
		k.cluster, db = true, ""
		if schema == "" {
			schema = existing(file.Schema)
		}
	}
	tables, err := describe(db, schema)
	if k.cluster {
		store.OnMVSQLite(tables)
	}
	return tables, err
}

func describe(db, schema string) ([]*store.Table, error) {
	switch {
	case db != "":
		tables, err := store.Describe(db, "")
		return tables, prefixed("--db", err)
	case schema != "":
		sql, err := os.ReadFile(schema)
		if err != nil {
			return nil, prefixed("--schema", err)
		}
		tables, err := store.Describe("", string(sql))
		return tables, inScript(schema, err)
	default:
		return nil, nil
	}
}

// inScript says which file an error in its SQL is of, and where.
func inScript(path string, err error) error {
	if e, ok := errors.AsType[*store.ScriptError](err); ok {
		return fmt.Errorf("%s:%d: %w", path, e.Line, e.Err)
	}
	return prefixed("--schema "+path, err)
}

// existing returns the name of a file if there is one.
func existing(name any) string {
	path, _ := name.(string)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	return path
}

func prefixed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

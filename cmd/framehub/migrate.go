package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"framehub/store"
)

type migrateCommand struct {
	Dir    string `arg:"" placeholder:"DIR" help:"A folder of SQL files whose names begin with a number, such as 0001_players.sql."`
	DB     string `name:"db" default:"data/world.db" placeholder:"FILE" help:"The database (${default})."`
	Create bool   `help:"Make the database if it is not there."`
	DryRun bool   `help:"Only say what would be applied."`
	JSON   bool   `name:"json" help:"Print a list of what was applied in JSON."`
}

// Run applies the migrations that the database has not had, and prints each.
func (m *migrateCommand) Run(a *app) error {
	if err := onlyFiles("framehub migrate", m.DB, "apply the files with a program that is preloaded with mvSQLite's library, a transaction each; a hub that runs takes the new schema up"); err != nil {
		return err
	}
	all, err := store.ReadMigrations(os.DirFS(m.Dir))
	if err != nil {
		return fmt.Errorf("%s: %w", m.Dir, err)
	}
	if _, err := os.Stat(m.DB); errors.Is(err, fs.ErrNotExist) && !m.Create {
		return fmt.Errorf("there is no database %s: name the one that is meant with --db, or make it with --create", m.DB)
	}
	names := []string{}
	done := func(f store.Migration) {
		names = append(names, f.Name)
		if !m.JSON {
			_, _ = fmt.Fprintln(a.out, f.Name)
		}
	}
	if m.DryRun {
		var pending []store.Migration
		if pending, err = store.PendingMigrations(m.DB, all); err == nil {
			for i := range pending {
				done(pending[i])
			}
		}
	} else {
		err = store.Migrate(m.DB, all, done)
	}
	if m.JSON {
		if e := json.NewEncoder(a.out).Encode(names); e != nil {
			return e
		}
	}
	if err == nil && len(names) == 0 && !m.JSON {
		_, _ = fmt.Fprintf(a.err, "%s has had all %d\n", m.DB, len(all))
	}
	return err
}

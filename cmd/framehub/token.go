package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"framehub/auth"
)

type tokenCommand struct {
	User     string        `required:"" placeholder:"NAME" help:"Whose token it is."`
	Role     []string      `default:"device" placeholder:"ROLE" help:"What it allows its sessions to be: device, server, editor, observer or admin; or, on the operators' page, operator or viewer; more with commas (${default})."`
	TTL      time.Duration `name:"ttl" default:"24h" placeholder:"TIME" help:"How long it is good, such as 24h or 90m (${default})."`
	Scope    []string      `sep:"none" placeholder:"TABLE=VALUE" help:"A scope of a table that it may see, again for each; without any, it says nothing of scopes."`
	Audience string        `placeholder:"AUD" help:"The hub's --audience, where it has one."`
	KeyFile  string        `placeholder:"FILE" help:"The hub's key; by default beside the database."`
	DB       string        `name:"db" default:"data/world.db" placeholder:"FILE" help:"The hub's database, beside which its key is (${default})."`
}

// Validate implements kong's: wrong usage is told before anything begins.
func (t *tokenCommand) Validate() error {
	for _, role := range t.Role {
		if !slices.Contains(auth.TokenRoles(), role) {
			return fmt.Errorf("--role %s: there is no such role, there are %s", role, strings.Join(auth.TokenRoles(), ", "))
		}
	}
	switch {
	case t.User == "":
		return errors.New("--user is empty: say whose token it is")
	case t.TTL <= 0 || t.TTL > auth.MaxLife:
		return fmt.Errorf("--ttl is %v, it must be above 0 and at most %v, a year", t.TTL, auth.MaxLife)
	}
	return nil
}

// Run prints a token, alone on standard output.
func (t *tokenCommand) Run(a *app) error {
	path := keyFile(t.KeyFile, t.DB)
	key, err := auth.LoadKey(path, t.Audience)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no key %s: start the hub with --auth token, which makes it, or say where it is with --key-file or --db", path)
	case err != nil:
		return err
	}
	id := auth.Identity{User: t.User, Roles: t.Role, Expires: time.Now().Add(t.TTL)}
	if id.Scopes, err = parseScopes(t.Scope); err != nil {
		return err
	}
	token, err := key.Mint(&id)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(a.err, "token id %s, good until %s\n", id.TokenID, id.Expires.Format(time.RFC3339))
	_, err = fmt.Fprintln(a.out, token)
	return err
}

// parseScopes reads TABLE=VALUE. A value that reads as a JSON number is one, one in
// double quotes is the text in them, any other is the text that it is.
func parseScopes(flags []string) (map[string][]any, error) {
	if len(flags) == 0 {
		return nil, nil
	}
	scopes := map[string][]any{}
	for _, flag := range flags {
		table, text, ok := strings.Cut(flag, "=")
		if !ok || table == "" {
			return nil, fmt.Errorf("--scope %s: it must be TABLE=VALUE", flag)
		}
		scopes[table] = append(scopes[table], scopeValue(text))
	}
	return scopes, nil
}

func scopeValue(text string) any {
	var value any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&value) != nil || dec.More() {
		return text
	}
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		if _, err := v.Float64(); err == nil {
			return v
		}
	}
	return text
}

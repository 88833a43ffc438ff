package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"framehub/mvsqlite"
	"framehub/operators"
)

// operatorCommand changes the accounts of operators, in their file: a hub that runs
// sees it at once. Its flags are those of all its commands.
type operatorCommand struct {
	DB            string `name:"db" default:"data/world.db" placeholder:"FILE" help:"The hub's database, beside which the accounts are (${default})."`
	OperatorsFile string `placeholder:"FILE" help:"The accounts; by default beside the database."`
	JSON          bool   `name:"json" help:"Print what there is to tell in JSON, and nothing else, on standard output."`

	Add    operatorAddCommand    `cmd:"" help:"Make an account."`
	Passwd operatorPasswdCommand `cmd:"" help:"Change the password of an account, which ends its logins."`
	Remove operatorRemoveCommand `cmd:"" help:"Remove an account, which ends its logins."`
	List   operatorListCommand   `cmd:"" help:"List the accounts."`
	Link   operatorLinkCommand   `cmd:"" help:"Print a one-time link, with which somebody makes an account."`
}

// accounts opens the accounts, and says so where they would be nobody's.
func (c *operatorCommand) accounts(a *app) (*operators.Accounts, error) {
	path := operatorsFile(c.OperatorsFile, c.DB)
	if folder := filepath.Dir(path); !exists(folder) {
		return nil, fmt.Errorf("there is no folder %s, where the accounts would be: say with --db which database the hub has", folder)
	}
	if c.OperatorsFile == "" && !mvsqlite.Is(c.DB) && !exists(c.DB) && !exists(path) {
		a.log.Warn("there is no such database yet: the accounts are of the hub that will be started with it", "db", c.DB)
	}
	return operators.Open(path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// tell prints v in JSON, or else the words.
func (c *operatorCommand) tell(a *app, v any, format string, args ...any) error {
	if c.JSON {
		return json.NewEncoder(a.out).Encode(v)
	}
	_, err := fmt.Fprintf(a.out, format+"\n", args...)
	return err
}

type operatorAddCommand struct {
	passwordFlags `embed:""`

	Name string         `arg:"" help:"Who it is for."`
	Role operators.Role `enum:"viewer,operator" default:"operator" help:"viewer: looks; operator: acts, too (${default})."`
}

// Run makes an account.
func (c *operatorAddCommand) Run(a *app, of *operatorCommand) error {
	accounts, err := of.accounts(a)
	if err != nil {
		return err
	}
	if _, err := accounts.Find(c.Name); err == nil {
		return named(c.Name, operators.ErrExists)
	}
	password, err := c.read(a)
	if err != nil {
		return err
	}
	made, err := accounts.Add(c.Name, c.Role, password)
	if err != nil {
		return named(c.Name, err)
	}
	return of.tell(a, made, "%s is %s now", made.Name, article(made.Role))
}

func article(r operators.Role) string {
	if r == operators.Operator {
		return "an operator"
	}
	return "a " + string(r)
}

type operatorPasswdCommand struct {
	passwordFlags `embed:""`

	Name string `arg:"" help:"Whose it is."`
}

// Run changes a password.
func (c *operatorPasswdCommand) Run(a *app, of *operatorCommand) error {
	accounts, err := of.accounts(a)
	if err != nil {
		return err
	}
	if _, err := accounts.Find(c.Name); err != nil { // before one is asked for a password
		return named(c.Name, err)
	}
	password, err := c.read(a)
	if err != nil {
		return err
	}
	changed, err := accounts.SetPassword(c.Name, password)
	if err != nil {
		return named(c.Name, err)
	}
	return of.tell(a, changed, "%s has a new password, and no login any more", c.Name)
}

type operatorRemoveCommand struct {
	Name string `arg:"" help:"Whose account it is."`
}

// Run removes an account.
func (c *operatorRemoveCommand) Run(a *app, of *operatorCommand) error {
	accounts, err := of.accounts(a)
	if err != nil {
		return err
	}
	removed, err := accounts.Remove(c.Name)
	if err != nil {
		return named(c.Name, err)
	}
	return of.tell(a, removed, "%s has no account any more", c.Name)
}

// named says of which account there is none, or one already.
func named(name string, err error) error {
	if errors.Is(err, operators.ErrNoSuch) || errors.Is(err, operators.ErrExists) {
		return fmt.Errorf("%w: %.80q (framehub operator list lists those that there are)", err, name)
	}
	return err
}

type operatorListCommand struct{}

// Run prints the accounts.
func (c *operatorListCommand) Run(a *app, of *operatorCommand) error {
	accounts, err := of.accounts(a)
	if err != nil {
		return err
	}
	list, err := accounts.List()
	if err != nil {
		return err
	}
	if of.JSON || len(list) == 0 {
		return of.tell(a, list, "no accounts in %s", accounts.Path())
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "NAME\tROLE\tMADE\tPASSWORD OF")
	for _, one := range list {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", one.Name, one.Role, one.Created.Local().Format(time.DateOnly), one.Changed.Local().Format(time.DateOnly))
	}
	return t.Flush()
}

type operatorLinkCommand struct {
	Role     operators.Role `enum:"viewer,operator" default:"operator" help:"Of the account that it makes: viewer or operator (${default})."`
	AdminURL string         `name:"admin-url" default:"http://127.0.0.1:8081" placeholder:"URL" help:"Where the page is, for the link (${default})."`
}

// Validate implements kong's: wrong usage is told before links from before end.
func (c *operatorLinkCommand) Validate() error {
	if u, err := url.Parse(c.AdminURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return fmt.Errorf("--admin-url %s: it must be the page's address, such as https://hub.example", c.AdminURL)
	}
	return nil
}

// oneTimeLink is a link in JSON.
type oneTimeLink struct {
	URL     string         `json:"url"`
	Role    operators.Role `json:"role"`
	Expires time.Time      `json:"expires"`
}

// Run prints a link, alone on standard output.
func (c *operatorLinkCommand) Run(a *app, of *operatorCommand) error {
	accounts, err := of.accounts(a)
	if err != nil {
		return err
	}
	secret, expires, err := accounts.NewLink(c.Role)
	if err != nil {
		return err
	}
	link := oneTimeLink{linkURL(strings.TrimSuffix(c.AdminURL, "/"), secret), c.Role, expires}
	_, _ = fmt.Fprintf(a.err, "makes the account of %s: once, until %s; links from before are worth nothing now\n", article(link.Role), expires.Local().Format(time.DateTime))
	return of.tell(a, link, "%s", link.URL)
}

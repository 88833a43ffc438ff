package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"framehub/operators"
)

// operatorCommand changes the accounts of operators, in their file: a hub that runs
// sees it at once.
type operatorCommand struct {
	Add    operatorAddCommand    `cmd:"" help:"Make an account."`
	Passwd operatorPasswdCommand `cmd:"" help:"Change the password of an account, which ends its logins."`
	Remove operatorRemoveCommand `cmd:"" help:"Remove an account, which ends its logins."`
	List   operatorListCommand   `cmd:"" help:"List the accounts."`
	Link   operatorLinkCommand   `cmd:"" help:"Print a one-time link, with which somebody makes an account."`
}

// accountsFlags say where the accounts are.
type accountsFlags struct {
	DB            string `name:"db" default:"data/world.db" placeholder:"FILE" help:"The hub's database, beside which the accounts are (${default})."`
	OperatorsFile string `placeholder:"FILE" help:"The accounts; by default beside the database."`
}

func (f *accountsFlags) open() (*operators.Accounts, error) {
	return operators.Open(operatorsFile(f.OperatorsFile, f.DB))
}

type passwordFlags struct {
	PasswordFile string `placeholder:"FILE" help:"The password is the first line of FILE; - is standard input. By default it is asked for on the terminal."`
}

type operatorAddCommand struct {
	accountsFlags `embed:""`
	passwordFlags `embed:""`

	Name string `arg:"" help:"Who it is for."`
	Role string `enum:"viewer,operator" default:"operator" help:"viewer: looks; operator: acts, too (${default})."`
}

// Run makes an account.
func (c *operatorAddCommand) Run(a *app) error {
	accounts, err := c.open()
	if err != nil {
		return err
	}
	role, err := operators.ParseRole(c.Role)
	if err != nil {
		return err
	}
	password, err := c.read(a)
	if err != nil {
		return err
	}
	made, err := accounts.Add(c.Name, role, password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s is %s now\n", made.Name, article(made.Role))
	return err
}

func article(r operators.Role) string {
	if r == operators.Operator {
		return "an operator"
	}
	return "a " + string(r)
}

type operatorPasswdCommand struct {
	accountsFlags `embed:""`
	passwordFlags `embed:""`

	Name string `arg:"" help:"Whose it is."`
}

// Run changes a password.
func (c *operatorPasswdCommand) Run(a *app) error {
	accounts, err := c.open()
	if err != nil {
		return err
	}
	password, err := c.read(a)
	if err != nil {
		return err
	}
	if err := accounts.SetPassword(c.Name, password); err != nil {
		return named(c.Name, err)
	}
	_, err = fmt.Fprintf(a.out, "%s has a new password, and no login any more\n", c.Name)
	return err
}

type operatorRemoveCommand struct {
	accountsFlags `embed:""`

	Name string `arg:"" help:"Whose account it is."`
}

// Run removes an account.
func (c *operatorRemoveCommand) Run(a *app) error {
	accounts, err := c.open()
	if err != nil {
		return err
	}
	if err := accounts.Remove(c.Name); err != nil {
		return named(c.Name, err)
	}
	_, err = fmt.Fprintf(a.out, "%s has no account any more\n", c.Name)
	return err
}

func named(name string, err error) error {
	if errors.Is(err, operators.ErrNoSuch) {
		return fmt.Errorf("%w: %q (framehub operator list lists those that there are)", err, name)
	}
	return err
}

type operatorListCommand struct {
	accountsFlags `embed:""`

	JSON bool `name:"json" help:"Print a list in JSON, and nothing else, on standard output."`
}

// Run prints the accounts.
func (c *operatorListCommand) Run(a *app) error {
	accounts, err := c.open()
	if err != nil {
		return err
	}
	list, err := accounts.List()
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(a.out).Encode(list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintf(a.out, "no accounts in %s\n", accounts.Path())
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "NAME\tROLE\tMADE\tPASSWORD OF")
	for _, one := range list {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", one.Name, one.Role, one.Created.Local().Format(time.DateOnly), one.Changed.Local().Format(time.DateOnly))
	}
	return t.Flush()
}

type operatorLinkCommand struct {
	accountsFlags `embed:""`

	Role     string `enum:"viewer,operator" default:"operator" help:"Of the account that it makes: viewer or operator (${default})."`
	AdminURL string `name:"admin-url" default:"http://127.0.0.1:8081" placeholder:"URL" help:"Where the page is, for the link (${default})."`
}

// Run prints a link, alone on standard output.
func (c *operatorLinkCommand) Run(a *app) error {
	accounts, err := c.open()
	if err != nil {
		return err
	}
	role, err := operators.ParseRole(c.Role)
	if err != nil {
		return err
	}
	secret, expires, err := accounts.NewLink(role)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(a.err, "makes the account of %s: once, until %s; links from before are worth nothing now\n", article(role), expires.Local().Format(time.DateTime))
	_, err = fmt.Fprintln(a.out, linkURL(strings.TrimSuffix(c.AdminURL, "/"), secret))
	return err
}

const mostPasswordFile = 4 << 10 // bytes

// read reads a new password.
func (f *passwordFlags) read(a *app) (string, error) {
	switch f.PasswordFile {
	case "":
		return askPassword(a.err)
	case "-":
		return firstLine(os.Stdin)
	}
	file, err := os.Open(f.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	defer func() { _ = file.Close() }()
	return firstLine(file)
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, mostPasswordFile)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// askPassword asks twice on the terminal, which does not show what is typed.
func askPassword(out io.Writer) (string, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return "", errors.New("there is no terminal to ask for the password on: give --password-file, - for standard input")
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "The same again: "} {
		_, _ = fmt.Fprint(out, prompt)
		text, err := term.ReadPassword(in)
		_, _ = fmt.Fprintln(out)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords are not the same")
	}
	return typed[0], nil
}

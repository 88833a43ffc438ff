package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// passwordFlags say where a new password comes from.
type passwordFlags struct {
	PasswordFile string `placeholder:"FILE" help:"The password is the first line of FILE; - is standard input. By default it is asked for on the terminal."`
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

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOperatorTypes types passwords: on a terminal, which does not show them, and on a pipe.
func TestOperatorTypes(t *testing.T) {
	dir := t.TempDir()
	command := func(args ...string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), os.Args[0], asOperator(dir, args...)...)
		c.Env = append(os.Environ(), childArgs+"=1")
		return c
	}
	pipe := command("add", "ann", "--password-file", "-")
	pipe.Stdin = strings.NewReader(firstPassword + "\n")
	if out, err := pipe.CombinedOutput(); err != nil || !strings.Contains(string(out), "ann is an operator now") {
		t.Fatalf("%v: %s", err, out)
	}
	closed := command("add", "bob")
	if out, err := closed.CombinedOutput(); err == nil || !strings.Contains(string(out), "there is no terminal") {
		t.Errorf("%v: %s", err, out)
	}
	for name, c := range map[string]struct {
		again string
		want  string
	}{
		"the same": {secondPassword, "ann has a new password"},
		"another":  {firstPassword, "the two passwords are not the same"},
	} {
		t.Run(name, func(t *testing.T) {
			keyboard, screen := terminal(t)
			said := newOutput()
			typing := command("passwd", "ann")
			typing.Stdin, typing.Stdout, typing.Stderr = screen, said, said
			if err := typing.Start(); err != nil {
				t.Fatal(err)
			}
			enter := func(prompt, text string) {
				said.await(t, prompt)
				until(t, func() bool { return !echoes(t, screen) })
				_, _ = fmt.Fprintln(keyboard, text)
			}
			enter("(Password: )", secondPassword)
			enter("(The same again: )", c.again)
			if err := typing.Wait(); (err == nil) != (c.again == secondPassword) || !strings.Contains(said.String(), c.want) {
				t.Errorf("%v: %s", err, said)
			}
			_ = screen.Close()
			shown := make([]byte, 1<<10)
			if n, _ := keyboard.Read(shown); strings.Contains(string(shown[:n]), "tiger") {
				t.Errorf("the terminal shows what is typed: %q", shown[:n])
			}
		})
	}
}

// terminal opens a new one: what is typed on its keyboard is read from its screen.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal("no terminal can be made: ", err)
	case err != nil:
		t.Skip("no terminal can be made: ", err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	var n int
	if err = unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err == nil {
		n, err = unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	}
	if err == nil {
		screen, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	return keyboard, screen
}

// echoes says whether a terminal shows what is typed.
func echoes(t *testing.T, screen *os.File) bool {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}

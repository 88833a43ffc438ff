package operators_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"framehub/operators"
)

// second leaves the account out.
func second(_ operators.Account, err error) error { return err }

// ann wants to log in.
func ann(password, address, known string) operators.Attempt {
	return operators.Attempt{Name: "ann", Password: password, Address: address, Known: known}
}

func TestLoginEnds(t *testing.T) {
	a := open(t)
	add(t, a, "ann", operators.Operator)
	l := operators.NewLogins(a, operators.Timeouts{})
	enter := func() operators.Login {
		t.Helper()
		login, err := l.Enter(t.Context(), ann(password, "192.0.2.1:1", ""))
		if err != nil {
			t.Fatal(err)
		}
		return login
	}
	for name, end := range map[string]func(operators.Login) error{
		"left":             func(login operators.Login) error { return l.Leave(t.Context(), login.Token) },
		"ended everywhere": func(operators.Login) error { return a.EndLogins("ann") },
		"a new password":   func(operators.Login) error { return second(a.SetPassword("ann", password)) },
		"another program's": func(operators.Login) error {
			other, err := operators.Open(a.Path())
			return errors.Join(err, second(other.SetPassword("ann", password)))
		},
		"the file is gone": func(operators.Login) error { return os.Rename(a.Path(), a.Path()+".aside") },
	} {
		t.Run(name, func(t *testing.T) {
			login := enter()
			if who, err := l.Who(t.Context(), login.Token); err != nil || who.Name != "ann" || who.Role != operators.Operator {
				t.Fatal(who, err)
			}
			if err := end(login); err != nil {
				t.Fatal(err)
			}
			if who, err := l.Who(t.Context(), login.Token); !errors.Is(err, operators.ErrEnded) {
				t.Error(who, err)
			}
			_ = os.Rename(a.Path()+".aside", a.Path())
		})
	}
	for _, token := range []string{"", "x", enter().Token + "x"} {
		if _, err := l.Who(t.Context(), token); !errors.Is(err, operators.ErrEnded) {
			t.Error(token, err)
		}
	}
}

func TestLoginExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t)
		add(t, a, "ann", operators.Operator)
		l := operators.NewLogins(a, operators.Timeouts{Idle: time.Hour, Life: 3 * time.Hour})
		login := func() string {
			t.Helper()
			login, err := l.Enter(t.Context(), ann(password, "192.0.2.1:1", ""))
			if err != nil {
				t.Fatal(err)
			}
			return login.Token
		}
		idle, busy := login(), login()
		for i := range 3 {
			<-time.After(59 * time.Minute)
			if _, err := l.Who(t.Context(), busy); err != nil {
				t.Fatalf("after %d h: %v", i+1, err)
			}
		}
		if _, err := l.Who(t.Context(), idle); !errors.Is(err, operators.ErrEnded) {
			t.Error("idle:", err)
		}
		<-time.After(4 * time.Minute)
		if _, err := l.Who(t.Context(), busy); !errors.Is(err, operators.ErrEnded) {
			t.Error("after three hours:", err)
		}
	})
}

// TestTries: who guesses is held up, and holds up nobody else.
func TestTries(t *testing.T) { synctest.Test(t, testTries) } // no new tries come meanwhile

func testTries(t *testing.T) {
	a := open(t)
	add(t, a, "ann", operators.Operator)
	l := operators.NewLogins(a, operators.Timeouts{})
	first, err := l.Enter(t.Context(), ann(password, "192.0.2.1:1", ""))
	if err != nil {
		t.Fatal(err)
	}
	limited := func(at operators.Attempt) bool {
		t.Helper()
		_, err := l.Enter(t.Context(), at)
		_, is := errors.AsType[*operators.LimitedError](err)
		if !is && err != nil && !errors.Is(err, operators.ErrWrong) {
			t.Fatal(err)
		}
		return is
	}
	guess := func(n int, address string) (tried int) {
		for i := range n {
			if !limited(ann("wrong", fmt.Sprintf(address, i), "")) {
				tried++
			}
		}
		return tried
	}
	if n := guess(15, "198.51.100.1:%d"); n != 10 {
		t.Errorf("one address has %d tries", n)
	}
	if n := guess(15, "[2001:db8:1:1::%x]:5"); n > 10 {
		t.Errorf("one network has %d tries", n)
	}
	if n := guess(60, "198.51.100.%d:5"); n > 10 {
		t.Errorf("many addresses have %d more tries", n)
	}
	if !limited(ann(password, "203.0.113.1:1", "")) {
		t.Error("who knows the password is let in on a new browser amid guesses: the account's tries are used up")
	}
	if limited(ann(password, "203.0.113.1:1", first.Known)) {
		t.Error("the owner is locked out of a browser that has logged in before")
	}
	for name, forged := range map[string]string{"none": "x", "of another account": first.Known[:len(first.Known)-2] + "AA"} {
		if !limited(ann(password, "203.0.113.1:1", forged)) {
			t.Errorf("%s counts as known", name)
		}
	}
	tries := 0
	for !limited(ann("wrong", "203.0.113.1:1", first.Known)) {
		if tries++; tries > 10 {
			t.Fatal("a known browser may guess for ever")
		}
	}
}

// TestTriesOfNetworks: who has many addresses of a network, as every customer has with
// IPv6, has the tries of one, however a proxy writes them.
func TestTriesOfNetworks(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		tries   int
	}{
		"IPv4":                 {"198.51.100.7:%d", 10},
		"IPv4 without a port":  {"198.51.100.8", 10},
		"IPv4 in IPv6":         {"[::ffff:198.51.100.9]:%d", 10},
		"many of IPv4":         {"203.0.113.%d:1", 12},
		"IPv6":                 {"[2001:db8:1:1::%x]:5", 10},
		"IPv6 without a port":  {"2001:db8:1:2::%x", 10},
		"IPv6, the high ones":  {"[2001:db8:1:3:%x::]:5", 10},
		"IPv6 of a link":       {"[fe80::%x%%eth0]:5", 10},
		"networks of IPv6":     {"[2001:db8:2:%x::1]:5", 12},
		"networks, by a proxy": {"2001:db8:3:%x::1", 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // no new tries come meanwhile
				if n := triesFrom(t, c.address); n != c.tries {
					t.Errorf("there are %d tries, not %d", n, c.tries)
				}
			})
		})
	}
}

func triesFrom(t *testing.T, addresses string) (tried int) {
	t.Helper()
	l := operators.NewLogins(open(t), operators.Timeouts{})
	for i := range 12 {
		address := addresses
		if strings.Contains(address, "%") {
			address = fmt.Sprintf(address, i)
		}
		// Each at another account, whose own tries are not used up.
		_, err := l.Enter(t.Context(), operators.Attempt{Name: fmt.Sprint("user", i), Password: "wrong", Address: address})
		if _, limited := errors.AsType[*operators.LimitedError](err); !limited {
			tried++
		}
	}
	return tried
}

// TestPasswordsInOtherForms: keyboards compose letters in other ways.
func TestPasswordsInOtherForms(t *testing.T) {
	a := open(t)
	if _, err := a.Add("ann", operators.Operator, "grüße aus köln"); err != nil {
		t.Fatal(err)
	}
	l := operators.NewLogins(a, operators.Timeouts{})
	if _, err := l.Enter(t.Context(), ann("gru\u0308ße aus ko\u0308ln", "192.0.2.1:1", "")); err != nil {
		t.Error(err)
	}
}

// TestKnownForAWhile: a browser has tries of its own for ninety days.
func TestKnownForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t)
		add(t, a, "ann", operators.Operator)
		l := operators.NewLogins(a, operators.Timeouts{})
		first, err := l.Enter(t.Context(), ann(password, "192.0.2.1:1", ""))
		if err != nil {
			t.Fatal(err)
		}
		isKnown := func() bool {
			for i := range 25 { // no tries are left for strangers
				_, _ = l.Enter(t.Context(), ann("wrong", fmt.Sprintf("198.51.100.%d:1", i), ""))
			}
			_, err := l.Enter(t.Context(), ann(password, "203.0.113.1:1", first.Known))
			return err == nil
		}
		<-time.After(89 * 24 * time.Hour)
		if !isKnown() {
			t.Error("it is forgotten after 89 days")
		}
		<-time.After(2 * 24 * time.Hour)
		if isKnown() {
			t.Error("it is known after 91 days")
		}
	})
}

// TestUnknownTakesAsLong: how long a refusal takes does not tell whether there is an account.
func TestUnknownTakesAsLong(t *testing.T) {
	a := open(t)
	add(t, a, "ann", operators.Operator)
	l := operators.NewLogins(a, operators.Timeouts{})
	fastest := func(name string) time.Duration {
		least := time.Hour
		for i := range 5 {
			began := time.Now()
			at := operators.Attempt{Name: name, Password: "wrong", Address: fmt.Sprintf("198.51.100.%d:1", i)}
			if _, err := l.Enter(t.Context(), at); !errors.Is(err, operators.ErrWrong) {
				t.Fatal(err)
			}
			least = min(least, time.Since(began))
		}
		return least
	}
	// A refusal without a hash takes a thousandth of one: the bounds are wide for machines that are busy.
	if known, unknown := fastest("ann"), fastest("eve"); unknown < known/4 || unknown > 4*known {
		t.Errorf("with an account %v, without one %v", known, unknown)
	}
}

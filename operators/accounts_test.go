package operators_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"framehub/operators"
)

const password = "correct horse battery"

func open(tb testing.TB) *operators.Accounts {
	tb.Helper()
	a, err := operators.Open(filepath.Join(tb.TempDir(), "world.operators.json"))
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func add(tb testing.TB, a *operators.Accounts, name string, role operators.Role) {
	tb.Helper()
	if _, err := a.Add(name, role, password); err != nil {
		tb.Fatal(err)
	}
}

func names(tb testing.TB, a *operators.Accounts) (all []string) {
	tb.Helper()
	list, err := a.List()
	if err != nil {
		tb.Fatal(err)
	}
	for _, one := range list {
		all = append(all, one.Name)
	}
	return all
}

func TestRolesInOrder(t *testing.T) {
	for _, c := range []struct {
		has, needed operators.Role
		may         bool
	}{
		{operators.Operator, operators.Operator, true}, {operators.Operator, operators.Viewer, true}, {operators.Viewer, operators.Viewer, true},
		{operators.Viewer, operators.Operator, false}, {operators.Anyone, operators.Viewer, false}, {"", operators.Viewer, false},
		{"", operators.Anyone, false}, {operators.Operator, "", false}, {"admin", operators.Anyone, false}, {operators.Operator, "admin", false},
	} {
		if got := c.has.May(c.needed); got != c.may {
			t.Errorf("%q where %q is needed: %v", c.has, c.needed, got)
		}
	}
}

func TestAccountsInTheFile(t *testing.T) {
	a := open(t)
	add(t, a, "vic", operators.Viewer)
	add(t, a, "ann", operators.Operator)
	if _, err := a.Add("ann", operators.Viewer, password); !errors.Is(err, operators.ErrExists) {
		t.Error(err)
	}
	info, err := os.Stat(a.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	text, err := os.ReadFile(a.Path())
	if err != nil || strings.Contains(string(text), password) || !strings.Contains(string(text), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%v: %s", err, text)
	}
	other, err := operators.Open(a.Path())
	if got := names(t, other); err != nil || fmt.Sprint(got) != "[ann vic]" {
		t.Fatal(got, err)
	}
	if _, err := other.Remove("ann"); !errors.Is(err, operators.ErrLastOne) {
		t.Error("the last operator:", err)
	}
	if err := errors.Join(second(other.Remove("vic")), second(other.Remove("ann"))); err != nil {
		t.Error(err)
	}
	if _, err := a.Remove("ann"); !errors.Is(err, operators.ErrNoSuch) {
		t.Error("gone:", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(a.Path()), "*"))
	if err != nil || len(left) != 2 { // and the lock
		t.Error(left, err)
	}
}

func TestNamesAndPasswords(t *testing.T) {
	a := open(t)
	for name, c := range map[string]struct{ name, password, words string }{
		"no name":            {"", password, "no name of an account"},
		"a space":            {"a b", password, "no name of an account"},
		"a line":             {"a\nb", password, "no name of an account"},
		"a path":             {"../a", password, "no name of an account"},
		"a long name":        {strings.Repeat("a", 65), password, "1 to 64 bytes"},
		"no UTF-8":           {"a\xff", password, "no name of an account"},
		"short":              {"ann", "elevenchars", "at least 12 characters"},
		"short in letters":   {"ann", "üüüüüüüü", "at least 12 characters"},
		"long":               {"ann", strings.Repeat("ab cd efg", 30), "at most 256 bytes"},
		"few letters":        {"ann", "abcabcabcabc", "repeats"},
		"the name":           {"christabel", "christabel12", "little more than the name"},
		"the name, in large": {"christabel", "Christabel12", "little more than the name"},
		"both":               {"a b", "short", "too short"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := a.Add(c.name, operators.Viewer, c.password)
			if _, invalid := errors.AsType[*operators.InvalidError](err); !invalid || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v", err)
			}
		})
	}
	for _, good := range []string{"ann", "ann.b+c@example.org", "jürgen", "李"} {
		add(t, a, good, operators.Operator)
	}
}

func TestFileThatIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		text, words string
		mode        os.FileMode
	}{
		"others read it": {"{}", "chmod 600", 0o640},
		"no JSON":        {"{", "is not what framehub writes", 0o600},
		"another role":   {`{"accounts": [{"name": "ann", "role": "root"}]}`, `the role "root"`, 0o600},
		"no role":        {`{"accounts": [{"name": "ann"}]}`, `the role ""`, 0o600},
		"open to anyone": {`{"accounts": [{"name": "ann", "role": "anyone"}]}`, `the role "anyone"`, 0o600},
		"large":          {strings.Repeat(" ", 1<<20) + "{}", "more than the 1048576", 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "o.json")
			if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := operators.Open(path); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := operators.Open(t.TempDir()); err == nil {
		t.Error("a folder is taken")
	}
}

// TestManyChange: changes by many at once, each with an object of its own as a process
// has, are all there.
func TestManyChange(t *testing.T) {
	a := open(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			one, err := operators.Open(a.Path())
			if err == nil {
				_, err = one.Add(fmt.Sprint("user", i), operators.Operator, password)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := names(t, a); len(got) != 8 {
		t.Error(got)
	}
}

func TestLinkWorksOnce(t *testing.T) {
	a := open(t)
	l := operators.NewLogins(a, operators.Timeouts{})
	old, _, err := a.FirstLink()
	if err != nil {
		t.Fatal(err)
	}
	secret, expires, err := a.NewLink(operators.Viewer)
	if left := time.Until(expires); err != nil || left > time.Hour || left < 59*time.Minute {
		t.Fatal(expires, err)
	}
	redeem := func(secret, name string) error {
		_, err := l.Redeem(t.Context(), secret, operators.Attempt{Name: name, Password: password, Address: "192.0.2.1:1"})
		return err
	}
	for name, bad := range map[string]string{"none": "", "another": strings.Repeat("A", 26), "one from before": old} {
		if err := redeem(bad, "ann"); !errors.Is(err, operators.ErrLink) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 4 {
		all.Go(func() {
			if err := redeem(secret, fmt.Sprint("user", i)); err == nil {
				mu.Lock()
				made++
				mu.Unlock()
			} else if !errors.Is(err, operators.ErrLink) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := a.List()
	if err != nil || made != 1 || len(list) != 1 || list[0].Role != operators.Viewer {
		t.Error(made, list, err)
	}
}

func TestFirstLinkIsForTheFirst(t *testing.T) {
	a := open(t)
	add(t, a, "ann", operators.Operator)
	if secret, _, err := a.FirstLink(); secret != "" || err != nil {
		t.Error(secret, err)
	}
}

// TestLinkEnds an hour after it was made.
func TestLinkEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t)
		secret, expires, err := a.NewLink(operators.Operator)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Until(expires) - time.Second)
		if role, err := a.LinkRole(secret); err != nil || role != operators.Operator {
			t.Error(role, err)
		}
		<-time.After(2 * time.Second)
		l := operators.NewLogins(a, operators.Timeouts{})
		if _, err := l.Redeem(t.Context(), secret, ann(password, "192.0.2.1:1", "")); !errors.Is(err, operators.ErrLink) {
			t.Error(err)
		}
	})
}

// TestLinkIsNotGuessed: who guesses has the tries of who logs in.
func TestLinkIsNotGuessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t)
		if _, _, err := a.NewLink(operators.Operator); err != nil {
			t.Fatal(err)
		}
		l := operators.NewLogins(a, operators.Timeouts{})
		for i := range 11 {
			_, err := l.Redeem(t.Context(), fmt.Sprint(i), ann(password, fmt.Sprintf("[2001:db8::%x]:1", i), ""))
			if _, limited := errors.AsType[*operators.LimitedError](err); limited != (i == 10) {
				t.Errorf("guess %d: %v", i, err)
			}
		}
	})
}

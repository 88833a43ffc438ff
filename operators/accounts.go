package operators

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"framehub/durable"
)

const maxFile = 1 << 20 // bytes

// Accounts are those of a file. A hub and commands may change it at the same time;
// each sees at once what others have changed. Its methods may be called from any
// goroutine.
type Accounts struct {
	path string

	mu   sync.Mutex // guards the following
	read contents
	of   fs.FileInfo // the file that read is of; nil: none, or it was not there
}

// contents is what the file holds.
type contents struct {
	Accounts []record `json:"accounts"`
	Link     *link    `json:"link,omitempty"` // the last one, if it was not used
	Secret   []byte   `json:"secret"`         // signs what browsers keep that have logged in
}

type record struct {
	Account

	Hash  string `json:"password"` // argon2id
	Stamp string `json:"stamp"`    // of its logins: when it changes they end
}

// Open returns the accounts of a file, which need not be there yet. One that others
// than its owner can read is refused.
func Open(path string) (*Accounts, error) {
	a := &Accounts{path: path}
	_, err := a.now()
	return a, err
}

// Path returns the file's name.
func (a *Accounts) Path() string { return a.path }

// List returns the accounts by name.
func (a *Accounts) List() ([]Account, error) {
	c, err := a.now()
	if err != nil {
		return nil, err
	}
	list := make([]Account, len(c.Accounts))
	for i, r := range c.Accounts {
		list[i] = r.Account
	}
	return list, nil
}

// Find returns an account, or ErrNoSuch.
func (a *Accounts) Find(name string) (Account, error) {
	c, err := a.now()
	if err != nil {
		return Account{}, err
	}
	if r := c.find(name); r != nil {
		return r.Account, nil
	}
	return Account{}, ErrNoSuch
}

// Add makes an account. The error is an [InvalidError] or ErrExists where that is
// who asks's mistake.
func (a *Accounts) Add(name string, role Role, password string) (Account, error) {
	made, err := newRecord(name, role, password)
	if err != nil {
		return Account{}, err
	}
	return made.Account, a.change(func(c *contents) error { return c.add(made) })
}

func newRecord(name string, role Role, password string) (record, error) {
	if err := errors.Join(checkName(name), checkPassword(name, password)); err != nil {
		return record{}, err
	}
	hash, err := hashed(password)
	now := time.Now().UTC().Truncate(time.Second)
	return record{Account{Name: name, Role: role, Created: now, Changed: now}, hash, rand.Text()}, err
}

// SetPassword changes the password of an account, and ends its logins.
func (a *Accounts) SetPassword(name, password string) (Account, error) {
	if err := checkPassword(name, password); err != nil {
		return Account{}, err
	}
	hash, err := hashed(password)
	if err != nil {
		return Account{}, err
	}
	return a.changeOne(name, func(_ *contents, r *record) error {
		r.Hash, r.Stamp, r.Changed = hash, rand.Text(), time.Now().UTC().Truncate(time.Second)
		return nil
	})
}

// EndLogins ends all logins of an account.
func (a *Accounts) EndLogins(name string) error {
	_, err := a.changeOne(name, func(_ *contents, r *record) error { r.Stamp = rand.Text(); return nil })
	return err
}

// Remove removes an account, which it returns, and ends its logins. The last one of
// an operator stays, with ErrLastOne, while there are others, who could then only look.
func (a *Accounts) Remove(name string) (Account, error) {
	return a.changeOne(name, func(c *contents, _ *record) error {
		c.Accounts = slices.DeleteFunc(c.Accounts, func(r record) bool { return r.Name == name })
		acts := slices.ContainsFunc(c.Accounts, func(r record) bool { return r.Role == Operator })
		if !acts && len(c.Accounts) > 0 {
			return ErrLastOne
		}
		return nil
	})
}

// changeOne changes an account, and returns it as it is then, or was if it has gone.
func (a *Accounts) changeOne(name string, do func(*contents, *record) error) (one Account, err error) {
	err = a.change(func(c *contents) error {
		r := c.find(name)
		if r == nil {
			return ErrNoSuch
		}
		one = r.Account
		err := do(c, r)
		if r = c.find(name); r != nil {
			one = r.Account
		}
		return err
	})
	return one, err
}

func (c *contents) find(name string) *record {
	for i := range c.Accounts {
		if c.Accounts[i].Name == name {
			return &c.Accounts[i]
		}
	}
	return nil
}

func (c *contents) add(r record) error {
	if c.find(r.Name) != nil {
		return ErrExists
	}
	c.Accounts = append(c.Accounts, r)
	slices.SortFunc(c.Accounts, func(a, b record) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// now returns what the file holds, which is not to be changed.
func (a *Accounts) now() (contents, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	info, err := os.Stat(a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.read, a.of = contents{}, nil
		return a.read, nil
	case err != nil:
		return contents{}, fmt.Errorf("read the operators' accounts: %w", err)
	case a.of != nil && os.SameFile(a.of, info) && a.of.ModTime().Equal(info.ModTime()) && a.of.Size() == info.Size():
		return a.read, nil
	}
	read, err := readFile(a.path, info)
	if err != nil {
		return contents{}, err
	}
	a.read, a.of = read, info
	return read, nil
}

func readFile(path string, info fs.FileInfo) (c contents, err error) {
	switch {
	case !info.Mode().IsRegular():
		return c, fmt.Errorf("the operators' file %s is no ordinary file", path)
	case info.Mode().Perm()&0o077 != 0:
		return c, fmt.Errorf("others can read or change the operators' file %s (%v): chmod 600 it, and change the passwords if somebody may have", path, info.Mode().Perm())
	case info.Size() > maxFile:
		return c, fmt.Errorf("the operators' file %s has %d bytes, more than the %d that it may", path, info.Size(), maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read the operators' accounts: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("the operators' file %s is not what framehub writes: %w", path, err)
	}
	for _, r := range c.Accounts {
		if !r.Role.May(Viewer) {
			return c, fmt.Errorf("the operators' file %s: the account %q has the role %q, which there is not", path, r.Name, r.Role)
		}
	}
	return c, nil
}

// change changes the file, alone among all who do. What a change that fails has done
// is not written.
func (a *Accounts) change(do func(*contents) error) error {
	unlock, err := lock(a.path + ".lock")
	if err != nil {
		return fmt.Errorf("change the operators' accounts: %w", err)
	}
	defer unlock()
	c, err := a.now()
	if err != nil {
		return err
	}
	c.Accounts = slices.Clone(c.Accounts)
	if len(c.Secret) == 0 {
		c.Secret = make([]byte, 32)
		_, _ = rand.Read(c.Secret) // never fails
	}
	if err := do(&c); err != nil {
		return err
	}
	if err := writeFile(a.path, c); err != nil {
		return fmt.Errorf("change the operators' accounts: %w", err)
	}
	return nil
}

// lock waits until nobody else has the lock of a file's name.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func writeFile(path string, c contents) error {
	text, err := json.MarshalIndent(c, "", "  ") //nolint:gosec // the file is its owner's alone, and keeps a key for this
	if err != nil {
		return err
	}
	return durable.Replace(path, append(text, '\n'))
}

package auth

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	lookEvery   = time.Second
	maxListFile = 64 << 20
)

// Revoked is a list of tokens that are good no longer, kept in a file that the
// operator writes. A line is one of
//
//	TOKEN-ID
//	user TIME NAME
//
// the latter for all tokens of a user that were issued before a time (RFC 3339),
// or that don't say when. Empty lines and those that begin with # are left out.
type Revoked struct {
	path string
	list atomic.Pointer[revokedList]
	seen fs.FileInfo // of the file that was read last; Run's own
}

type revokedList struct {
	tokens map[string]struct{}
	users  map[string]time.Time
}

// LoadRevoked reads a list. It must be there, and have no mistake.
func LoadRevoked(path string) (*Revoked, error) {
	r := &Revoked{path: path}
	if err := r.load(); err != nil {
		return nil, fmt.Errorf("read the list of revoked tokens: %w", err)
	}
	return r, nil
}

// Has says whether an identity's token is on the list. A nil list has none.
func (r *Revoked) Has(id *Identity) bool {
	if r == nil {
		return false
	}
	list := r.list.Load()
	if _, ok := list.tokens[id.TokenID]; ok && id.TokenID != "" {
		return true
	}
	before, ok := list.users[id.User]
	return ok && id.Issued.Before(before)
}

// Run reads the list again whenever the file has changed, at most a second later,
// until ctx ends. A list that can't be read is logged, and the last good one
// stays in force.
func (r *Revoked) Run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info, err := os.Stat(r.path)
		if err == nil && same(info, r.seen) {
			failed = ""
			continue
		}
		if err == nil {
			err = r.load()
		}
		switch {
		case err == nil:
			failed = ""
			list := r.list.Load()
			log.Info("the list of revoked tokens has been read again", "tokens", len(list.tokens), "users", len(list.users))
		case err.Error() != failed:
			failed = err.Error()
			log.Error("the list of revoked tokens can't be read, the last one stays in force", "err", err)
		}
	}
}

// same says whether a file looks unchanged.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func (r *Revoked) load() error {
	f, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat() // before reading: what is written meanwhile is read next time
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxListFile+1))
	switch {
	case err != nil:
		return err
	case len(text) > maxListFile:
		return fmt.Errorf("%s is larger than %d bytes", r.path, maxListFile)
	}
	list, err := parseRevoked(text)
	if err != nil {
		return fmt.Errorf("%s, %w", r.path, err)
	}
	r.seen = info
	r.list.Store(list)
	return nil
}

func parseRevoked(text []byte) (*revokedList, error) {
	list := &revokedList{map[string]struct{}{}, map[string]time.Time{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		if err := list.add(strings.TrimSpace(lines.Text())); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return list, lines.Err()
}

func (l *revokedList) add(line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	rest, isUser := strings.CutPrefix(line, "user ")
	if !isUser {
		if !isName(line) || strings.ContainsAny(line, " \t") {
			return errors.New(`a line is a token id, or "user TIME NAME"`)
		}
		l.tokens[line] = struct{}{}
		return nil
	}
	at, name, _ := strings.Cut(strings.TrimSpace(rest), " ")
	before, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return errors.New("after user comes a time like 2026-01-31T18:00:00Z")
	}
	if name = strings.TrimSpace(name); !isName(name) {
		return errors.New("after the time comes the user's name")
	}
	if before.After(l.users[name]) {
		l.users[name] = before
	}
	return nil
}

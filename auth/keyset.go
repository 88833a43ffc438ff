package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

const (
	refreshEvery = time.Hour
	refreshPause = 30 * time.Second // between two for keys that are not known
	fetchTimeout = 5 * time.Second
	maxKeySet    = 1 << 20
)

// A KeySet is an issuer's JWK set, in a file or at a URL. It is fetched again when
// a token names a key that is not in it, at most every 30 s, and by Run each hour.
type KeySet struct {
	from   string
	client *http.Client // nil: from is a file

	keys atomic.Pointer[keyfunc.Keyfunc]

	turn    chan struct{} // has one place: who has it fetches
	mu      sync.Mutex    // guards the following
	fetched time.Time     // when the last fetch ended, with success or without
}

// OpenKeySet fetches a JWK set from a file or a URL, whose scheme is https, or http
// on this machine.
func OpenKeySet(ctx context.Context, from string) (*KeySet, error) {
	s := &KeySet{from: from, turn: make(chan struct{}, 1)}
	if u, err := url.Parse(from); err == nil && u.Host != "" {
		if err := fetchable(u); err != nil {
			return nil, err
		}
		s.client = &http.Client{Timeout: fetchTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirects")
			}
			return fetchable(r.URL)
		}}
	}
	if err := s.fetch(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// fetchable refuses URLs where somebody on the way could put keys of his own.
func fetchable(u *url.URL) error {
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	if u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || err == nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("the JWK set at %s could be swapped on its way: use https", u.Redacted())
}

// Run fetches the set each hour until ctx ends. When that fails it is logged, and
// the last set stays in force.
func (s *KeySet) Run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.fetch(ctx); err != nil && ctx.Err() == nil {
				log.Warn("the JWK set can't be fetched, the last one stays in force", "err", err)
			}
		}
	}
}

func (s *KeySet) methods() []string { return slices.Concat(methodsRSA, methodsECDSA, methodsEd25519) }

func (s *KeySet) key(ctx context.Context, t *jwt.Token) (any, error) {
	key, err := (*s.keys.Load()).KeyfuncCtx(ctx)(t)
	if !errors.Is(err, jwkset.ErrKeyNotFound) {
		return key, err
	}
	if !s.refresh(ctx) {
		return nil, errUnknownKey
	}
	if key, err = (*s.keys.Load()).KeyfuncCtx(ctx)(t); errors.Is(err, jwkset.ErrKeyNotFound) {
		return nil, errUnknownKey
	}
	return key, err
}

// refresh fetches the set unless that was done lately, and says whether there may
// be new keys. Those who come meanwhile wait for the one that fetches.
func (s *KeySet) refresh(ctx context.Context) bool {
	began := time.Now()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return false
	}
	s.mu.Lock()
	fetched := s.fetched
	s.mu.Unlock()
	switch {
	case fetched.After(began): // while it waited
		return true
	case time.Since(fetched) < refreshPause:
		return false
	}
	return s.fetch(ctx) == nil
}

func (s *KeySet) fetch(ctx context.Context) error {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fetched = time.Now()
	}()
	text, err := s.read(ctx)
	if err != nil {
		return fmt.Errorf("fetch the JWK set: %w", err)
	}
	keys, err := parseKeySet(ctx, text)
	if err != nil {
		return fmt.Errorf("the JWK set of %s: %w", s.from, err)
	}
	s.keys.Store(&keys)
	return nil
}

func (s *KeySet) read(ctx context.Context) ([]byte, error) {
	var from io.ReadCloser
	if s.client == nil {
		f, err := os.Open(s.from)
		if err != nil {
			return nil, err
		}
		from = f
	} else {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.from, nil)
		if err != nil {
			return nil, err
		}
		resp, err := s.client.Do(r)
		if err != nil {
			return nil, err
		}
		from = resp.Body
		if resp.StatusCode != http.StatusOK {
			return nil, errors.Join(fmt.Errorf("%s answers %s", s.from, resp.Status), from.Close())
		}
	}
	defer func() { _ = from.Close() }()
	text, err := io.ReadAll(io.LimitReader(from, maxKeySet+1))
	if err == nil && len(text) > maxKeySet {
		err = fmt.Errorf("%s is larger than %d bytes", s.from, maxKeySet)
	}
	return text, err
}

// parseKeySet takes the keys that are for signing with the methods that are
// believed, and leaves out the others: a set may be for other services too.
func parseKeySet(ctx context.Context, text []byte) (keyfunc.Keyfunc, error) {
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, err
	}
	storage := jwkset.NewMemoryStorage()
	count := 0
	for _, m := range set.Keys {
		if m.USE != "" && m.USE != jwkset.UseSig {
			continue
		}
		key, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue
		}
		if _, err := methodsOf(key.Key()); err != nil {
			continue
		}
		if err := storage.KeyWrite(ctx, key); err != nil {
			return nil, err
		}
		count++
	}
	if count == 0 {
		return nil, errors.New("it has no key for RS256, ES256 or EdDSA")
	}
	return keyfunc.New(keyfunc.Options{Storage: storage})
}

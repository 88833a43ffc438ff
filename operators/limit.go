package operators

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many tries there are at once, and how soon there is one more.
const (
	triesOfAddress, nextOfAddress = 10, 10 * time.Second
	triesOfAccount, nextOfAccount = 20, time.Minute // by browsers that have never logged in to it, all together
	triesOfBrowser, nextOfBrowser = 10, 10 * time.Second
)

// slots are limits by a key. They are of a fixed number, so that who makes up keys
// takes no memory; two keys may share one, nobody can tell which.
type slots struct {
	seed  maphash.Seed
	tries int
	next  time.Duration

	mu sync.Mutex // guards the following
	of [4096]*rate.Limiter
}

func newSlots(tries int, next time.Duration) *slots {
	return &slots{seed: maphash.MakeSeed(), tries: tries, next: next}
}

// take takes a try, or says in how long there is one.
func (s *slots) take(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.of[maphash.String(s.seed, key)%uint64(len(s.of))]
	if *l == nil {
		*l = rate.NewLimiter(rate.Every(s.next), s.tries)
	}
	r := (*l).Reserve()
	if wait := r.Delay(); wait > 0 {
		r.Cancel()
		return &LimitedError{wait}
	}
	return nil
}

// limits bound the tries to log in. Who floods an account with guesses does not
// lock its owner out: a browser that has logged in to it before has tries of its own.
type limits struct{ addresses, accounts, browsers *slots }

func newLimits() *limits {
	return &limits{
		newSlots(triesOfAddress, nextOfAddress), newSlots(triesOfAccount, nextOfAccount), newSlots(triesOfBrowser, nextOfBrowser),
	}
}

// take takes a try. known is what proves a browser that was let in before, or "".
func (l *limits) take(name, address, known string) error {
	if known != "" {
		return l.browsers.take(known)
	}
	if err := l.addresses.take(network(address)); err != nil {
		return err
	}
	return l.accounts.take(name)
}

// network returns what one peer can be taken to have: an address, or a /64 of IPv6.
func network(address string) string {
	ip, err := netip.ParseAddr(address) // without a port, as some proxies tell it
	if err != nil {
		at, _ := netip.ParseAddrPort(address)
		ip = at.Addr()
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		prefix, _ := ip.Prefix(64)
		return prefix.String()
	}
	return ip.String()
}

// RememberFor is how long a browser that has logged in to an account has tries of its own.
const RememberFor = 90 * 24 * time.Hour

const (
	nonce = 16 // bytes
	since = 8  // of them: when it logged in, in seconds
)

// remember returns what a browser keeps that has logged in to an account.
func remember(secret []byte, name string) string {
	fresh := make([]byte, nonce)
	_, _ = rand.Read(fresh) // never fails
	binary.BigEndian.PutUint64(fresh[:since], uint64(time.Now().Unix()))
	return base64.RawURLEncoding.EncodeToString(append(fresh, signature(secret, name, fresh)...))
}

// remembered says whether a browser has logged in to an account not long ago.
func remembered(secret []byte, name, known string) bool {
	b, err := base64.RawURLEncoding.DecodeString(known)
	if err != nil || len(secret) == 0 || len(b) != nonce+sha256.Size || !hmac.Equal(b[nonce:], signature(secret, name, b[:nonce])) {
		return false
	}
	return time.Since(time.Unix(int64(binary.BigEndian.Uint64(b[:since])), 0)) < RememberFor
}

func signature(secret []byte, name string, fresh []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write(append([]byte("known "+name+"\x00"), fresh...))
	return mac.Sum(nil)
}

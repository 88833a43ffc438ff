package operators

import (
	"context"
	"sync"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"
)

// params are the least of argon2id that OWASP's Password Storage Cheat Sheet
// recommends: some 40 ms on one core, so that a login takes little from the frames.
var params = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// hashed returns the argon2id hash of a password. Keyboards that compose characters
// in other ways type the same password.
func hashed(password string) (string, error) {
	return argon2id.CreateHash(norm.NFKC.String(password), &params)
}

// nobodys is the hash of no password, which takes as long as somebody's: who asks
// does not learn whether there is an account.
var nobodys = sync.OnceValues(func() (string, error) { return hashed("") })

// matches says whether a password is that of an account; nil: of none.
func matches(r *record, password string) (bool, error) {
	hash, err := nobodys()
	if r != nil {
		hash = r.Hash
	}
	if err != nil {
		return false, err
	}
	ok, err := argon2id.ComparePasswordAndHash(norm.NFKC.String(password), hash)
	return ok && r != nil, err
}

// A lane is where passwords are compared one after the other: each takes 19 MiB and
// a core meanwhile.
type lane struct {
	waiting chan struct{} // as many as may wait
	turn    chan struct{} // has one place
}

func newLane() *lane { return &lane{make(chan struct{}, 8), make(chan struct{}, 1)} }

// run calls do when it is its turn, or returns ErrBusy at once where too many wait.
func (l *lane) run(ctx context.Context, do func() error) error {
	select {
	case l.waiting <- struct{}{}:
		defer func() { <-l.waiting }()
	default:
		return ErrBusy
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return do()
}

package hub

import (
	"maps"
	"sync"
	"time"
)

// maxRecalled bounds what is remembered of those who have gone.
const maxRecalled = 1 << 16

// A keepable says whether it is as a new one would be: then it need not be
// remembered.
type keepable interface{ Full(now time.Time) bool }

// A recall remembers what devices, or users, have done of late, so that
// connecting again gives none a new start.
type recall[K comparable, V keepable] struct {
	fresh func() V

	mu    sync.Mutex // guards the following
	of    map[K]V
	sweep int // at that many, those that have nothing to remember are forgotten
}

// get returns what is remembered, or a fresh one. It takes as long as there are
// some, once in that many calls.
func (r *recall[K, V]) get(key K, now time.Time) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.of[key]; ok {
		return known
	}
	if len(r.of) >= r.sweep {
		r.forget(now)
	}
	if r.of == nil {
		r.of = map[K]V{}
	}
	v := r.fresh()
	r.of[key] = v
	return v
}

func (r *recall[K, V]) forget(now time.Time) {
	maps.DeleteFunc(r.of, func(_ K, v V) bool { return v.Full(now) })
	for key := range r.of {
		if len(r.of) < maxRecalled {
			break
		}
		delete(r.of, key)
	}
	r.sweep = min(max(1024, 2*len(r.of)), maxRecalled)
}

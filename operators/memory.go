package operators

import (
	"sync"
	"time"
)

// memory keeps logins while the program runs: it implements scs's Store. It needs
// nobody to clear up after it: what has expired goes when something is added.
type memory struct {
	mu sync.Mutex // guards the following
	of map[string]kept
}

type kept struct {
	data   []byte
	expiry time.Time
}

const sweepAbove = 64 // logins, from when on a new one looks for those that have ended

// Find implements scs.Store.
func (m *memory) Find(token string) (data []byte, found bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.of[token]
	return k.data, time.Now().Before(k.expiry), nil
}

// Commit implements scs.Store.
func (m *memory) Commit(token string, data []byte, expiry time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]kept{}
	}
	if _, there := m.of[token]; !there && len(m.of) >= sweepAbove {
		now := time.Now()
		for t, k := range m.of {
			if !now.Before(k.expiry) {
				delete(m.of, t)
			}
		}
	}
	m.of[token] = kept{data, expiry}
	return nil
}

// Delete implements scs.Store.
func (m *memory) Delete(token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, token)
	return nil
}

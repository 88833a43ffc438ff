package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A result is what one run measured. Updates are entities' writes as they reach
// the devices; the times count from when a write was due.
type result struct {
	peer      peer
	took      time.Duration // of what was measured
	delivered int64         // updates, to all devices
	received  int64         // bytes of messages, without WebSocket's own
	cpu       time.Duration // of the server
	generator time.Duration // of this process
	age       *hdrhistogram.Histogram
	late      *hdrhistogram.Histogram // sent after due
	expected  int64                   // updates, had each write gone to each device
	lost      int                     // last writes that a watching device has not seen
	pairs     int                     // of those looked at
	survived  int                     // last writes that a new device sees after kill -9
	ceiling   int                     // devices; 0: not looked for
}

const watchers = 8 // devices that look at ages and at the end; the others count

// A mesh is one run.
type mesh struct {
	*work
	server  *process
	clients []client
	base    time.Time // the first write's time
	counted atomic.Bool
	updates atomic.Int64
	bytes   atomic.Int64
	seen    [][]int // by watcher and device: the newest write; its reader's until the end

	mu   sync.Mutex
	age  *hdrhistogram.Histogram // guarded by mu
	late *hdrhistogram.Histogram // guarded by mu
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// measure runs a work on a peer and then kills it.
func measure(ctx context.Context, p peer, w *work) (r *result, err error) {
	defer func() { err = errors.Join(err, p.clear()) }()
	server, err := p.start(w.hz)
	if err != nil {
		return nil, err
	}
	m := &mesh{work: w, server: server, age: newHistogram(), late: newHistogram()}
	r, err = m.run(ctx, p)
	server.kill()
	m.leave()
	if err == nil {
		r.survived, err = m.survivors(ctx, p)
	}
	return r, err
}

func (m *mesh) run(ctx context.Context, p peer) (*result, error) {
	for i := range m.devices {
		c, err := p.join(ctx, m.server, i)
		if err != nil {
			return nil, fmt.Errorf("device %d: %w", i, err)
		}
		m.clients = append(m.clients, c)
	}
	m.base = time.Now().Add(500 * time.Millisecond)
	for range min(watchers, m.devices) {
		m.seen = append(m.seen, make([]int, m.devices))
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	ends := make(chan error, 2*m.devices)
	var readers, writers sync.WaitGroup
	for i, c := range m.clients {
		readers.Go(func() {
			if err := m.watch(reading, i, c); reading.Err() == nil {
				ends <- fmt.Errorf("device %d: %w", i, err)
			}
		})
		writers.Go(func() {
			if err := m.write(ctx, i, c); err != nil {
				ends <- fmt.Errorf("device %d: %w", i, err)
			}
		})
	}
	r, err := m.window(ctx, p)
	writers.Wait()
	wait(ctx, time.Now().Add(time.Second)) // for what is under way
	stop()
	readers.Wait()
	select {
	case e := <-ends:
		err = errors.Join(err, e)
	default:
	}
	if err != nil {
		return nil, err
	}
	m.look(r)
	return r, nil
}

// window counts while the work is measured.
func (m *mesh) window(ctx context.Context, p peer) (*result, error) {
	wait(ctx, m.base.Add(m.warmUp))
	r := &result{peer: p, age: m.age, late: m.late}
	began, before, err := time.Now(), self(), error(nil)
	r.cpu, err = m.server.cpu()
	m.counted.Store(true)
	wait(ctx, m.base.Add(m.warmUp+m.duration))
	m.counted.Store(false)
	after, err2 := m.server.cpu()
	r.cpu, r.generator, r.took = after-r.cpu, self()-before, time.Since(began)
	r.delivered, r.received = m.updates.Load(), m.bytes.Load()
	r.expected = int64(float64(m.devices*m.devices) * m.hz * r.took.Seconds())
	return r, errors.Join(err, err2, ctx.Err())
}

// writes returns how often each device writes, and due when.
func (m *mesh) writes() int { return int(m.hz * (m.warmUp + m.duration).Seconds()) }

func (m *mesh) due(device, write int) time.Time {
	period := float64(time.Second) / m.hz
	return m.base.Add(time.Duration(period * (float64(device)/float64(m.devices) + float64(write-1))))
}

func (m *mesh) write(ctx context.Context, device int, c client) error {
	for n := 1; n <= m.writes(); n++ {
		due := m.due(device, n)
		if !wait(ctx, due) {
			return ctx.Err()
		}
		if m.counted.Load() {
			m.mu.Lock()
			_ = m.late.RecordValue(time.Since(due).Microseconds()) // in range
			m.mu.Unlock()
		}
		if err := c.send(ctx, newPose(device, n)); err != nil {
			return err
		}
	}
	return nil
}

// watch reads what a device gets. The first few look at each update.
func (m *mesh) watch(ctx context.Context, device int, c client) error {
	var ages []int64
	updates := 0
	see := func(float32) { updates++ }
	if device < len(m.seen) {
		see = func(x float32) {
			updates++
			from, n := stamped(x)
			if from < m.devices && n > m.seen[device][from] {
				m.seen[device][from] = n
				ages = append(ages, max(1, time.Since(m.due(from, n)).Microseconds()))
			}
		}
	}
	for {
		updates, ages = 0, ages[:0]
		msg, err := c.read(ctx, see)
		if err != nil {
			return err
		}
		if m.counted.Load() {
			m.updates.Add(int64(updates))
			m.bytes.Add(int64(len(msg)))
			m.record(ages)
		}
	}
}

func (m *mesh) record(ages []int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range ages {
		_ = m.age.RecordValue(a) // in range
	}
}

// look compares what the watchers have with what was last written.
func (m *mesh) look(r *result) {
	for _, seen := range m.seen {
		for _, n := range seen {
			r.pairs++
			if n < m.writes() {
				r.lost++
			}
		}
	}
}

func (m *mesh) leave() {
	for _, c := range m.clients {
		c.close()
	}
}

// survivors starts the peer again, joins it as somebody new and returns whose
// last write is in what that gets within two seconds.
func (m *mesh) survivors(ctx context.Context, p peer) (int, error) {
	server, err := p.start(m.hz)
	if err != nil {
		return 0, err
	}
	defer server.kill()
	c, err := p.join(ctx, server, m.devices)
	if err != nil {
		return 0, err
	}
	defer c.close()
	some, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	var all []byte
	for {
		msg, err := c.read(some, func(float32) {})
		if err != nil {
			break // nothing more comes
		}
		all = append(all, msg...)
	}
	n := 0
	for d := range m.devices {
		if bytes.Contains(all, newPose(d, m.writes()).append(nil)[:4]) || bytes.Contains(all, wide(newPose(d, m.writes())[0])) {
			n++
		}
	}
	return n, ctx.Err()
}

// wide returns x as a float64, which a column holds where a neighbour needs it.
func wide(x float32) []byte {
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(x)))
}

// wait waits until a time and says whether ctx still goes on.
func wait(ctx context.Context, until time.Time) bool {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// self returns the processor time that this process has taken.
func self() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"framehub/web"
)

// fakeBackups has what it is told to have, and remembers what is asked of it.
type fakeBackups struct {
	health   web.BackupHealth
	mu       sync.Mutex // guards the following
	why      []string
	answered uint64
	looks    []web.BackupLook
	copies   []web.Backup
	trouble  string
}

func (f *fakeBackups) State() web.BackupState {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	asked := uint64(len(f.why))
	return web.BackupState{
		Place: "/var/lib/framehub/backups", Now: now, Asked: asked, Answer: f.answered, Count: f.answered,
		Running: f.answered < asked, Phase: "copying", Done: 2, Total: 3, Looks: slices.Clone(f.looks),
		LastGood: &web.BackupOutcome{Why: "the time has come", Version: 4711, Began: now.Add(-12 * time.Minute), Good: true},
		Next:     now.Add(18 * time.Minute), Shipping: true, Shipped: 4823, ShipTrouble: f.trouble,
	}
}

func (f *fakeBackups) Health() web.BackupHealth {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health
}

func (f *fakeBackups) Ask(why string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.why = append(f.why, why)
	return uint64(len(f.why))
}

// answer is that what was asked for is done.
func (f *fakeBackups) answer() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answered = uint64(len(f.why))
}

func (f *fakeBackups) List(context.Context) (web.BackupList, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return web.BackupList{Place: "/var/lib/framehub/backups", DB: "/var/lib/framehub/world.db", Copies: append([]web.Backup{}, f.copies...)}, nil
}

func (f *fakeBackups) Verify(_ context.Context, history string, version uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if version == 1 {
		return errors.New("there is no copy of version 1")
	}
	f.looks = append(f.looks, web.BackupLook{History: history, Version: version, Began: time.Now(), Running: true})
	return nil
}

// looked is that the last look has ended.
func (f *fakeBackups) looked(good bool, wrong string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := &f.looks[len(f.looks)-1]
	last.Running, last.Millis, last.Good, last.Error = false, 1200, good, wrong
}

func (f *fakeBackups) Find(_ context.Context, history string, version uint64) (d web.Download, err error) {
	if version == 1 {
		return d, errors.New("there is no copy of version 1")
	}
	const text = "what a copy holds"
	return web.Download{Name: fmt.Sprintf("framehub-%s-%d.tar", history, version), Size: int64(len(text)), Write: func(_ context.Context, to io.Writer) error {
		if version == 2 { // it breaks off
			_, err := io.WriteString(to, text[:4])
			return errors.Join(err, errors.New("the place is gone"))
		}
		_, err := io.WriteString(to, text)
		return err
	}}, nil
}

// someCopies are copies of every kind.
func someCopies(now time.Time) []web.Backup {
	history := strings.Repeat("0a1b2c3d", 2) + "-" + strings.Repeat("9f8e7d6c", 2)
	made := func(ago time.Duration) web.Backup {
		return web.Backup{
			History: history, Time: now.Add(-ago), Made: now.Add(-ago), Proven: now.Add(-ago + 3*time.Second),
			Size: 48 << 20, RawSize: 211 << 20, Rows: 1_203_456, Proof: "good",
		}
	}
	var all []web.Backup
	for i, ago := range []time.Duration{26 * time.Hour, 92 * time.Minute, 72 * time.Minute, 42 * time.Minute, 12 * time.Minute} {
		c := made(ago)
		c.Version = uint64(1111 + 900*i)
		c.Reach = 4823
		all = append(all, c)
	}
	all[1].Proof, all[1].Error = "not good", "SQLite's integrity_check: row 12 missing from index item_n"
	all[2].Proof, all[2].Encrypted, all[2].Proven = "not proven", true, time.Time{}
	all[4].Version, all[4].From = 4711, 3811
	return all
}

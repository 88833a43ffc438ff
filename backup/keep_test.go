package backup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/backup"
	"framehub/store"
)

var (
	keepID    = []byte("0123456789abcdef")
	keepEpoch = []byte("fedcba9876543210")
	keepNow   = time.Date(2026, 3, 15, 12, 30, 0, 0, time.UTC)
)

// A kept place has copies that hold nothing, of certain ages.
type keptPlace struct {
	testing.TB
	dir string
}

func (k *keptPlace) history() string { return "3031323334353637-6665646362613938" }

func (k *keptPlace) write(name, text string, age time.Duration) {
	k.Helper()
	path := filepath.Join(k.dir, k.history(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		k.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.Fatal(err)
	}
	if err := os.Chtimes(path, keepNow.Add(-age), keepNow.Add(-age)); err != nil {
		k.Fatal(err)
	}
}

// copy writes a copy of a version; proof: "good", "bad" or "none".
func (k *keptPlace) copy(version uint64, age time.Duration, proof string) {
	k.Helper()
	m := &backup.Manifest{
		Format: backup.Format, ID: keepID, Epoch: keepEpoch, Version: version, Time: keepNow.Add(-age), Made: keepNow.Add(-age), Contents: &store.Contents{},
		Data: backup.Data{Name: fmt.Sprintf("%s/copy-%020d-AAAAAAAA.db.zst", k.history(), version), Sum: backup.Sum{Size: 4}},
	}
	if proof != "none" {
		m.Proof = &backup.Proof{OK: proof == "good", Time: m.Made}
	}
	b, err := backup.Seal(m)
	if err != nil {
		k.Fatal(err)
	}
	k.write(fmt.Sprintf("copy-%020d.json", version), string(b), age)
	k.write(fmt.Sprintf("copy-%020d-AAAAAAAA.db.zst", version), "data", age)
}

func (k *keptPlace) segment(from, to uint64, age time.Duration) {
	k.Helper()
	k.write(fmt.Sprintf("log-%020d-%020d.seg", from, to), "segment", age)
}

// prune returns the short names of what would go, and makes sure that it then does.
func (k *keptPlace) prune(keep backup.Keep) (gone []string) {
	k.Helper()
	p := folderAt(k, k.dir)
	dry, err := backup.Prune(k.Context(), p, keepID, keep, keepNow, true)
	if err != nil {
		k.Fatal(err)
	}
	wet, err := backup.Prune(k.Context(), p, keepID, keep, keepNow, false)
	if err != nil || !slices.Equal(dry, wet) {
		k.Fatalf("a dry run says %v, then %v go (%v)", dry, wet, err)
	}
	for _, r := range wet {
		if _, err := os.Stat(filepath.Join(k.dir, r.Name)); err == nil {
			k.Errorf("%s is there still", r.Name)
		}
		name := strings.TrimPrefix(r.Name, k.history()+"/")
		for strings.Contains(name, "-0") {
			name = strings.ReplaceAll(name, "-0", "-")
		}
		gone = append(gone, name)
	}
	if again, err := backup.Prune(k.Context(), p, keepID, keep, keepNow, true); err != nil || len(again) > 0 {
		k.Errorf("a second time %v would go (%v)", again, err)
	}
	return gone
}

func TestPrune(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	for _, c := range []struct {
		name string
		make func(*keptPlace)
		keep backup.Keep
		want string
	}{
		{"the last ones", func(k *keptPlace) {
			for v := range uint64(4) {
				k.copy(v+1, time.Duration(4-v)*day, "good")
			}
		}, backup.Keep{Last: 2}, "copy-1.json copy-1-AAAAAAAA.db.zst copy-2.json copy-2-AAAAAAAA.db.zst"},
		{"never the last good one", func(k *keptPlace) {
			k.copy(1, 40*day, "good")
			k.copy(2, 3*day, "bad")
			k.copy(3, 2*day, "none")
			k.copy(4, hour, "bad")
		}, backup.Keep{}, "copy-2.json copy-2-AAAAAAAA.db.zst copy-3.json copy-3-AAAAAAAA.db.zst"},
		{"nothing where none is good", func(k *keptPlace) { k.copy(1, 40*day, "bad"); k.copy(2, 30*day, "none") }, backup.Keep{}, ""},
		{"the last of each hour, day and month", func(k *keptPlace) {
			k.copy(1, 61*day, "good")              // January
			k.copy(2, 40*day, "good")              // February
			k.copy(3, 39*day, "good")              // its last
			k.copy(4, 2*day, "good")               // the day before yesterday
			k.copy(5, day+time.Minute, "good")     // yesterday
			k.copy(6, day, "good")                 // its last
			k.copy(7, hour+20*time.Minute, "good") // 11 o'clock
			k.copy(8, hour+10*time.Minute, "good") // its last
			k.copy(9, time.Minute, "good")
		}, backup.Keep{Hourly: 2, Daily: 2, Monthly: 2}, "copy-1.json copy-1-AAAAAAAA.db.zst copy-2.json copy-2-AAAAAAAA.db.zst copy-4.json copy-4-AAAAAAAA.db.zst " +
			"copy-5.json copy-5-AAAAAAAA.db.zst copy-7.json copy-7-AAAAAAAA.db.zst"},
		{"segments that no copy leads to, and old ones", func(k *keptPlace) {
			k.copy(10, 9*day, "good")
			k.copy(20, 3*day, "good")
			k.segment(1, 9, 10*day)
			k.segment(11, 12, 8*day)
			k.segment(13, 20, 4*day)
			k.segment(21, 30, 3*day)
			k.segment(31, 40, 2*day)
		}, backup.Keep{Last: 2, Log: 7 * day}, "log-1-9.seg log-11-12.seg"},
		{"all since the last good copy, however old", func(k *keptPlace) {
			k.copy(10, 90*day, "good")
			k.segment(11, 20, 89*day)
			k.segment(21, 30, 60*day)
		}, backup.Keep{Log: day}, ""},
		{"what never became whole", func(k *keptPlace) {
			k.copy(10, day, "good")
			k.write("copy-00000000000000000011-BBBBBBBB.db.zst", "old", 2*day)
			k.write("copy-00000000000000000012-CCCCCCCC.db.zst", "young", hour)
			k.write("notes.txt", "somebody's", 2*day)
		}, backup.Keep{}, "copy-11-BBBBBBBB.db.zst"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &keptPlace{t, t.TempDir()}
			c.make(k)
			if got := strings.Join(k.prune(c.keep), " "); got != c.want {
				t.Errorf("gone are\n%s, want\n%s", got, c.want)
			}
		})
	}
}

// TestPruneOthers: another database's backups in the same place are left alone.
func TestPruneOthers(t *testing.T) {
	w := newWorld(t, 10)
	w.frame()
	b, stop := w.backup(backup.Options{})
	w.copyNow(b)
	w.frame()
	w.merge()
	w.copyNow(b)
	stop()
	gone, err := backup.Prune(t.Context(), w.place, keepID, backup.Keep{}, time.Now().Add(1000*time.Hour), false)
	if err != nil || len(gone) > 0 {
		t.Errorf("%v, %v", gone, err)
	}
	gone, err = backup.Prune(t.Context(), w.place, w.ID(), backup.Keep{}, time.Now(), true)
	if err != nil || len(gone) == 0 {
		t.Errorf("of its own: %v, %v", gone, err)
	}
}

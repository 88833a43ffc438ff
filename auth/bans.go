package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"framehub/durable"
)

const (
	maxBans    = 100_000
	maxBanText = 200 // bytes of a reason
)

// maxBansFile is as large as the file may be, in bytes.
var maxBansFile = 64 << 20 // changed by tests alone

// BanKind is what a ban keeps out.
type BanKind string

// The kinds.
const (
	BanDevice BanKind = "device" // its UUID
	BanUser   BanKind = "user"   // all devices of a user
	BanToken  BanKind = "token"  // a token's id: it is revoked
)

// A Ban keeps a device, a user or a token out.
type Ban struct {
	Kind   BanKind   `json:"kind"`
	Name   string    `json:"name"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"`   // zero: it has no end
	Reason string    `json:"reason,omitempty"` // what the device is told, at most 200 bytes
	By     string    `json:"by,omitempty"`     // the operator
}

// Bans is the list of bans that operators have made, kept in a file that only the
// hub writes: what a method has done is on the disk when it returns, and holds
// over restarts. Its methods may be called at any time; a nil list has none.
type Bans struct {
	path string
	list atomic.Pointer[banList]

	writing sync.Mutex // held while the list changes
}

type banKey struct {
	kind BanKind
	name string
}

// A banList is never changed.
type banList struct {
	all     map[banKey]Ban
	devices map[uuid.UUID]Ban
}

// OpenBans reads the list; where there is no file, it is empty.
func OpenBans(path string) (*Bans, error) {
	all, err := readBans(path)
	if err != nil {
		return nil, fmt.Errorf("read the list of bans: %w", err)
	}
	b := &Bans{path: path}
	b.list.Store(newBanList(all))
	return b, nil
}

func readBans(path string) (map[banKey]Ban, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[banKey]Ban{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, int64(maxBansFile)+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxBansFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxBansFile)
	}
	var bans []Ban
	if err := json.Unmarshal(text, &bans); err != nil {
		return nil, fmt.Errorf("%s is damaged, or not made by the hub: %w; repair it, or remove it to lift all bans", path, err)
	}
	all := make(map[banKey]Ban, len(bans))
	for i := range bans {
		if err := bans[i].Check(); err != nil {
			return nil, fmt.Errorf("%s, ban %d: %w", path, i+1, err)
		}
		all[bans[i].key()] = bans[i]
	}
	return all, nil
}

func newBanList(all map[banKey]Ban) *banList {
	l := &banList{all, map[uuid.UUID]Ban{}}
	for k, ban := range all {
		if k.kind == BanDevice {
			l.devices[uuid.MustParse(k.name)] = ban // as Check has seen
		}
	}
	return l
}

func (b *Ban) key() banKey { return banKey{b.Kind, b.Name} }

// Check brings the name into its one form, and says what is wrong with the ban.
func (b *Ban) Check() error {
	switch b.Kind {
	case BanDevice:
		id, err := uuid.Parse(b.Name)
		if err != nil {
			return fmt.Errorf("%q is no device: its id is a UUID", b.Name)
		}
		b.Name = id.String()
	case BanUser, BanToken:
		if !isName(b.Name) {
			return fmt.Errorf("%q is not the name of a %s", b.Name, b.Kind)
		}
	default:
		return fmt.Errorf("%q can't be banned: kind is device, user or token", b.Kind)
	}
	if len(b.Reason) > maxBanText {
		return fmt.Errorf("the reason has %d bytes, at most are %d", len(b.Reason), maxBanText)
	}
	return nil
}

func (b *Ban) over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// String says it as its device is told.
func (b *Ban) String() string {
	text := "this " + string(b.Kind) + " is banned"
	if !b.Until.IsZero() {
		text += " until " + b.Until.UTC().Format(time.RFC3339)
	}
	if b.Reason != "" {
		text += ": " + b.Reason
	}
	return text
}

// Add bans, from when it returns. A ban of the same takes the place of an earlier one.
func (b *Bans) Add(ban Ban) error {
	if err := ban.Check(); err != nil {
		return err
	}
	return b.change(func(all map[banKey]Ban) error {
		if _, again := all[ban.key()]; !again && len(all) >= maxBans {
			return fmt.Errorf("there are %d bans already, which is as many as the hub keeps: lift some", len(all))
		}
		all[ban.key()] = ban
		return nil
	})
}

// Lift takes a ban away, and returns it; ok is false where there is none.
func (b *Bans) Lift(kind BanKind, name string) (ban Ban, ok bool, err error) {
	err = b.change(func(all map[banKey]Ban) error {
		ban, ok = all[banKey{kind, name}]
		delete(all, banKey{kind, name})
		return nil
	})
	return ban, ok, err
}

// List returns the bans that hold now, newest first.
func (b *Bans) List() []Ban {
	if b == nil {
		return nil
	}
	now := time.Now()
	bans := slices.Collect(maps.Values(b.list.Load().all))
	bans = slices.DeleteFunc(bans, func(ban Ban) bool { return ban.over(now) })
	slices.SortFunc(bans, func(x, y Ban) int {
		if c := y.Since.Compare(x.Since); c != 0 {
			return c
		}
		return strings.Compare(string(x.Kind)+x.Name, string(y.Kind)+y.Name)
	})
	return bans
}

// Find returns the ban that keeps a device with an identity out, nil: none does.
func (b *Bans) Find(id *Identity, device uuid.UUID, now time.Time) *Ban {
	if b == nil {
		return nil
	}
	l := b.list.Load()
	if len(l.all) == 0 {
		return nil
	}
	for _, k := range [...]banKey{{BanToken, id.TokenID}, {BanUser, id.User}} {
		if ban, ok := l.all[k]; ok && k.name != "" && !ban.over(now) {
			return &ban
		}
	}
	if ban, ok := l.devices[device]; ok && !ban.over(now) {
		return &ban
	}
	return nil
}

// change writes the list as f makes it, without what is over.
func (b *Bans) change(f func(map[banKey]Ban) error) error {
	if b == nil {
		return errors.New("this hub keeps no bans")
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	now, all := time.Now(), maps.Clone(b.list.Load().all)
	maps.DeleteFunc(all, func(_ banKey, ban Ban) bool { return ban.over(now) })
	if err := f(all); err != nil {
		return err
	}
	if err := writeBans(b.path, slices.Collect(maps.Values(all))); err != nil {
		return fmt.Errorf("write the list of bans: %w", err)
	}
	b.list.Store(newBanList(all))
	return nil
}

func writeBans(path string, bans []Ban) error {
	slices.SortFunc(bans, func(x, y Ban) int { return x.Since.Compare(y.Since) })
	text, err := json.MarshalIndent(bans, "", "  ")
	if err != nil {
		return err
	}
	if text = append(text, '\n'); len(text) > maxBansFile {
		return fmt.Errorf("the %d bans take %d bytes, which is more than the hub reads again: lift some", len(bans), len(text))
	}
	return durable.Replace(path, text)
}

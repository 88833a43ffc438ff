package auth_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"framehub/auth"
)

// TestBans: bans hold over restarts until they end or are lifted.
func TestBans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.bans")
	synctest.Test(t, func(t *testing.T) {
		open := func() *auth.Bans {
			b, err := auth.OpenBans(path)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		b, device, now := open(), uuid.New(), time.Now()
		for _, ban := range []auth.Ban{
			{Kind: auth.BanDevice, Name: strings.ToUpper(device.String()), Since: now, Until: now.Add(time.Hour), Reason: "cheats"},
			{Kind: auth.BanUser, Name: "mallory", Since: now.Add(1)},
			{Kind: auth.BanToken, Name: "t1", Since: now.Add(2)},
		} {
			if err := b.Add(ban); err != nil {
				t.Fatal(err)
			}
		}
		b = open()
		if list := b.List(); len(list) != 3 || list[0].Name != "t1" || list[2].Name != device.String() {
			t.Fatalf("the list is %+v", list)
		}
		none, other := &auth.Identity{}, uuid.New()
		for name, tc := range map[string]struct {
			id     *auth.Identity
			device uuid.UUID
			want   string
		}{
			"the device":           {none, device, "this device is banned until 2000-01-01T01:00:00Z: cheats"},
			"another device":       {none, other, ""},
			"the user":             {&auth.Identity{User: "mallory"}, other, "this user is banned"},
			"another user":         {&auth.Identity{User: "mallory2"}, other, ""},
			"the token":            {&auth.Identity{User: "alice", TokenID: "t1"}, other, "this token is banned"},
			"a user of that name":  {&auth.Identity{User: "t1"}, other, ""},
			"a token of that name": {&auth.Identity{TokenID: "mallory"}, other, ""},
		} {
			got := ""
			if ban := b.Find(tc.id, tc.device, now); ban != nil {
				got = ban.String()
			}
			if got != tc.want {
				t.Errorf("%s: %q, want %q", name, got, tc.want)
			}
		}
		if ban := b.Find(none, device, now.Add(time.Hour)); ban != nil {
			t.Errorf("an hour later: %v", ban)
		}
		if _, ok, err := b.Lift(auth.BanUser, "mallory"); !ok || err != nil {
			t.Errorf("lift: %t, %v", ok, err)
		}
		if _, ok, _ := b.Lift(auth.BanUser, "mallory"); ok {
			t.Error("lifted twice")
		}
		if list := open().List(); len(list) != 2 {
			t.Errorf("after the lift: %+v", list)
		}
	})
}

func TestBansRefuse(t *testing.T) {
	b, err := auth.OpenBans(filepath.Join(t.TempDir(), "world.bans"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		ban  auth.Ban
		want string
	}{
		"no kind":      {auth.Ban{Name: "x"}, "kind is device, user or token"},
		"no device":    {auth.Ban{Kind: auth.BanDevice, Name: "x"}, "its id is a UUID"},
		"no user":      {auth.Ban{Kind: auth.BanUser}, "not the name of a user"},
		"a long story": {auth.Ban{Kind: auth.BanUser, Name: "x", Reason: strings.Repeat("a", 201)}, "at most are 200"},
	} {
		if err := b.Add(tc.ban); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var none *auth.Bans
	if none.Add(auth.Ban{Kind: auth.BanUser, Name: "x"}) == nil || none.Find(&auth.Identity{User: "x"}, uuid.Nil, time.Now()) != nil || none.List() != nil {
		t.Error("a list that is not there bans")
	}
}

// TestBansDamaged: a list that can't be read stops the start, and one that can't be
// written leaves the old one in force.
func TestBansDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "world.bans")
	for name, text := range map[string]string{"no JSON": "device x", "half": `[{"kind": "device"`, "no device": `[{"kind": "device", "name": "x"}]`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := auth.OpenBans(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	gone, err := auth.OpenBans(filepath.Join(dir, "no", "folder", "world.bans"))
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Add(auth.Ban{Kind: auth.BanUser, Name: "x"}); err == nil || len(gone.List()) != 0 {
		t.Errorf("it was written into no folder: %v", err)
	}
}

// TestBansThatAreTooLarge: a list that could not be read again is not written.
func TestBansThatAreTooLarge(t *testing.T) {
	auth.SetMaxBansFile(t, 10_000)
	path := filepath.Join(t.TempDir(), "world.bans")
	b, err := auth.OpenBans(path)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i := range 20 {
		name := fmt.Sprint("user ", i)
		err := b.Add(auth.Ban{Kind: auth.BanUser, Name: name, Reason: strings.Repeat("<", 200)}) // six times as long in JSON
		if banned := b.Find(&auth.Identity{User: name}, uuid.New(), time.Now()) != nil; banned != (err == nil) {
			t.Errorf("%s is banned: %t, %v", name, banned, err)
		}
		if err == nil {
			taken++
		} else if !strings.Contains(err.Error(), "lift some") {
			t.Error(err)
		}
	}
	if b, err = auth.OpenBans(path); err != nil {
		t.Fatalf("the list can't be read again: %v", err)
	}
	if n := len(b.List()); n != taken || n < 5 || n > 10 {
		t.Errorf("%d bans are left of the %d that were taken", n, taken)
	}
}

package session_test

import (
	"testing"
	"time"
	"unsafe"

	"framehub/session"
)

// TestTheClockIsSet: how long a peer was silent is not what the machine's clock says.
// It is no synctest, whose times have nothing but that.
func TestTheClockIsSet(t *testing.T) {
	l, running := serveSessions(t, session.Options{})
	c, err := session.Dial(t.Context(), "ws://hub.test", session.ClientOptions{HTTPClient: l.HTTPClient()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Drop)
	for name, silent := range map[string]func(time.Time) time.Duration{"session": (<-running).Silent, "client": c.Silent} {
		for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
			if got := silent(clockSet(t, time.Now(), ahead)); got < 0 || got > time.Minute {
				t.Errorf("%s: silent for %v when the clock was set %v ahead", name, got, ahead)
			}
		}
	}
}

// clockSet returns what time.Now would return where the machine's clock has just been
// set ahead by so much: the time that has passed since anything is the same.
func clockSet(t *testing.T, now time.Time, ahead time.Duration) time.Time {
	t.Helper()
	then := now
	*(*uint64)(unsafe.Pointer(&then)) += uint64(ahead/time.Second) << 30 // the wall clock's seconds, see time.Time
	if then.Sub(now) != 0 || then.Round(0).Sub(now.Round(0)) != ahead {
		t.Fatal("this version of Go has times of another form")
	}
	return then
}

package hub_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"framehub/hub"
	"framehub/session/wire"
)

func TestKick(t *testing.T) {
	for name, tc := range map[string]struct {
		kick hub.Kick
		want wire.Goodbye
	}{
		"without words": {hub.Kick{}, wire.Goodbye{Code: wire.CloseKicked, Text: "an operator ended the session"}},
		"with both": {
			hub.Kick{Reason: "go and rest", Retry: time.Minute},
			wire.Goodbye{Code: wire.CloseKicked, Text: "an operator ended the session: go and rest", Retry: time.Minute, RetrySet: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				kicked, other := w.dial(nothing()), w.dial(nothing())
				id := uuid.UUID(kicked.Hello.Session)
				who, ok := w.hub.Kick(id, tc.kick)
				if !ok || who.ID != id || who.Device != uuid.UUID(kicked.Hello.Device) {
					t.Fatalf("kicked %+v, %t", who, ok)
				}
				if g := await[*wire.Goodbye](kicked); *g != tc.want {
					t.Errorf("the goodbye is %+v", g)
				}
				kicked.Close()
				w.frame()
				if _, ok := w.hub.Kick(id, tc.kick); ok {
					t.Error("it is kicked twice")
				}
				if err := other.Clock(w.Context(), 1); err != nil {
					t.Fatal(err)
				}
				await[*wire.Clock](other)
			})
		})
	}
}

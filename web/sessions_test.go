package web_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"framehub/hub"
	"framehub/session"
	"framehub/session/wire"
	"framehub/web"
)

func idOf(c *session.Client) string { return uuid.UUID(c.Hello.Session).String() }

// news returns what reads the next news of a topic.
func news[T any](w *world, topic string) func() T {
	w.tb.Helper()
	next := w.stream(w.tb.Context(), "topic="+topic)
	return func() T {
		w.tb.Helper()
		name, data := next()
		var v T
		if err := json.Unmarshal([]byte(data), &v); err != nil || name != topic {
			w.tb.Fatalf("%s: %v: %s", name, err, data)
		}
		return v
	}
}

// TestLiveSessions: a session is told whole when it comes, then its figures when they
// are other than before, and its number when it has left.
func TestLiveSessions(t *testing.T) {
	w := newWorld(t)
	c := w.dial(wire.DeviceHello{SubsSet: true, Client: "pad", Subs: []wire.Sub{{Name: "entity", Scoped: true, Scopes: []wire.Value{wire.IntegerValue(3), wire.IntegerValue(1)}}}})
	next := news[web.SessionsNews](w, "sessions")
	first := next()
	if len(first.Came) != 1 || first.Came[0].ID != idOf(c) || first.Came[0].Client != "pad" || string(first.Figures) != "[]" || len(first.Left) != 0 {
		t.Fatalf("first: %+v", first)
	}
	if subs := first.Came[0].Subs; len(subs) != 1 || subs[0].Table != "entity" || subs[0].Whole || !slices.Equal(subs[0].Scopes, []string{"1", "3"}) {
		t.Errorf("it watches %+v", subs)
	}
	put(t, c)
	committed := slices.Index(web.FigureNames[:], "committed") + 1
	for {
		var figures [][]uint64
		n := next()
		if err := json.Unmarshal(n.Figures, &figures); err != nil {
			t.Fatalf("%v: %+v", err, n)
		}
		if len(n.Came) > 0 && n.Came[0].Committed == 1 { // with its snapshot
			break
		}
		if len(figures) == 1 && figures[0][0] == uint64(first.Came[0].N) && figures[0][committed] == 1 && len(figures[0]) == len(web.FigureNames)+1 {
			break
		}
	}
	if err := c.Subscribe(t.Context(), &wire.Subscribe{ID: 1, Add: []wire.Sub{{Name: "building"}}}); err != nil {
		t.Fatal(err)
	}
	for {
		if n := next(); len(n.Came) == 1 && len(n.Came[0].Subs) > 1 {
			if came := n.Came[0]; came.N != first.Came[0].N || came.Subs[0].Table != "building" || !came.Subs[0].Whole {
				t.Errorf("it came again as %+v", came)
			}
			break
		}
	}
	c.Close()
	for {
		if n := next(); len(n.Left) == 1 {
			if n.Left[0] != first.Came[0].N {
				t.Errorf("who left is %d", n.Left[0])
			}
			break
		}
	}
}

// TestLiveSession shows one session's messages and transactions, and the refusals that
// were before.
func TestLiveSession(t *testing.T) {
	w := newWorld(t)
	c := w.dial(wire.DeviceHello{SubsSet: true, Zstd: true})
	next := news[web.Inspected](w, "session:"+idOf(c))
	if first := next(); first.Session.ID != idOf(c) || first.Gone || len(first.Messages)+len(first.Transactions)+len(first.Before) != 0 {
		t.Fatalf("first: %+v", first)
	}
	put(t, c)
	if err := c.SendRaw(t.Context(), wire.Pack(nil, (&wire.Clock{Echo: wire.IntegerValue(4711)}).Append(nil))); err != nil {
		t.Fatal(err)
	}
	var texts []string
	var done []web.Transaction
	for len(done) < 1 || len(texts) < 4 {
		n := next()
		for _, m := range n.Messages {
			texts = append(texts, m.Text)
		}
		done = append(done, n.Transactions...)
	}
	all := strings.Join(texts, "\n")
	contains(t, all, "[5, 1, ", "[8, 4711]", "[8, 4711, ", "[6, ")
	if one := done[0]; one.Seq != 1 || one.Code != "" || one.Version != w.hub.Version() || !slices.Equal(one.Ops, []string{"put 1 row of entity"}) {
		t.Errorf("the transaction is %+v", one)
	}
	for path, words := range map[string]string{"session:x": "no session's id", "session:" + uuid.NewString(): "there is no session"} {
		if gone := news[web.Inspected](w, path)(); !gone.Gone || gone.Session != nil || !strings.Contains(gone.Why, words) {
			t.Errorf("%s: %+v", path, gone)
		}
	}
	c.Close()
	for !next().Gone {
	}
}

// send sends a body with a method to the operators' listener.
func (w *world) send(method, path, body string) answer {
	w.tb.Helper()
	return w.post(path, body, func(r *http.Request) { r.Method = method })
}

// TestBansOfOperators: who is banned goes and stays away, also over a restart, until
// the ban is lifted; all of it is accounted for.
func TestBansOfOperators(t *testing.T) {
	var logged output
	w := newWorld(t, logged.set)
	c := w.dial(wire.DeviceHello{SubsSet: true})
	device := uuid.UUID(c.Hello.Device).String()
	for name, tc := range map[string]struct{ body, words string }{
		"no kind":      {`{"name": "x"}`, "kind is device, user or token"},
		"no device":    {`{"kind": "device", "name": "x"}`, "UUID"},
		"in the past":  {`{"kind": "user", "name": "x", "seconds": -1}`, "seconds must be"},
		"for ever":     {`{"kind": "user", "name": "x", "seconds": 9000000000000000000}`, "seconds must be"},
		"a long story": {`{"kind": "user", "name": "x", "reason": "` + strings.Repeat("a", 201) + `"}`, "at most are 200"},
	} {
		if a := w.post("/api/bans", tc.body); a.code != 400 || !strings.Contains(a.body, tc.words) {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	a := w.post("/api/bans", `{"kind": "device", "name": "`+device+`", "seconds": 3600, "reason": "cheats"}`)
	var banned web.Banned
	if err := json.Unmarshal([]byte(a.body), &banned); a.code != 200 || err != nil || len(banned.Ended) != 1 || banned.Ended[0].ID != idOf(c) || banned.Until.IsZero() {
		t.Fatalf("%d: %v: %s", a.code, err, a.body)
	}
	w.Stop()
	w.Start()
	contains(t, w.get(w.Admin, "/api/bans").body, device, `"reason":"cheats"`)
	again := session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true, Device: c.Hello.Device}}
	if _, err := session.Dial(t.Context(), "ws://"+w.Device, again); err == nil || !strings.Contains(err.Error(), "banned until") {
		t.Errorf("it comes back: %v", err)
	}
	if a := w.send(http.MethodDelete, "/api/bans/device/"+device, ""); a.code != 200 {
		t.Errorf("%d: %s", a.code, a.body)
	}
	if a := w.send(http.MethodDelete, "/api/bans/device/"+device, ""); a.code != 404 {
		t.Errorf("lifted twice: %d: %s", a.code, a.body)
	}
	w.dial(again.Hello)
	contains(t, logged.String(), "event=ban", "device "+device+", which ends 1 sessions", "cheats", "event=unban")
}

// TestNoticeOfOperators reaches its players, and says how many.
func TestNoticeOfOperators(t *testing.T) {
	var logged output
	w := newWorld(t, logged.set)
	c := w.dial(wire.DeviceHello{SubsSet: true})
	one := "/api/sessions/" + idOf(c) + "/notice"
	for name, tc := range map[string]struct {
		path, body string
		code       int
		words      string
	}{
		"no words":     {one, `{}`, 400, "1 to 500 bytes"},
		"too many":     {"/api/notice", `{"text": "` + strings.Repeat("a", 501) + `"}`, 400, "1 to 500 bytes"},
		"no session":   {"/api/sessions/x/notice", `{"text": "x"}`, 400, "no session's id"},
		"nobody":       {"/api/sessions/" + uuid.NewString() + "/notice", `{"text": "x"}`, 404, "there is no session"},
		"both":         {one, `{"text": "x", "role": "device"}`, 400, "not both"},
		"to it":        {one, `{"text": "to it"}`, 200, `{"sessions":1,"missed":0}`},
		"to its role":  {"/api/notice", `{"text": "to its role", "role": "device"}`, 200, `"sessions":1`},
		"to another":   {"/api/notice", `{"text": "to another", "role": "server"}`, 200, `"sessions":0`},
		"to everybody": {"/api/notice", `{"text": "to everybody"}`, 200, `"sessions":1`},
	} {
		if a := w.post(tc.path, tc.body); a.code != tc.code || !strings.Contains(a.body, tc.words) {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	var heard []string
	for len(heard) < 3 {
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := m.(*wire.Event); ok && e.Name == hub.NoticeEvent {
			heard = append(heard, e.Value.Values[0].Bytes())
		}
	}
	slices.Sort(heard)
	if want := []string{"to everybody", "to it", "to its role"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q", heard)
	}
	contains(t, logged.String(), "event=notice", "to everybody, sent to 1: to everybody", "to session "+idOf(c))
}

package session_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// A token comes in the header or in hello, and nowhere else.
func TestCredential(t *testing.T) {
	for name, c := range map[string]struct {
		query  string
		header []string
		hello  string
		want   string
		refuse string
	}{
		"none":                                  {},
		"in hello":                              {hello: "abc", want: "abc"},
		"in the header":                         {header: []string{"Bearer abc"}, want: "abc"},
		"bearer in small letters":               {header: []string{"bearer  abc "}, want: "abc"},
		"the same in both":                      {header: []string{"Bearer abc"}, hello: "abc", want: "abc"},
		"different":                             {header: []string{"Bearer abc"}, hello: "def", refuse: "have different tokens"},
		"two in the header":                     {header: []string{"Bearer abc", "Bearer def"}, refuse: "more than one token"},
		"a proxy's own":                         {header: []string{"Basic abc"}, hello: "def", want: "def"},
		"a proxy's own and ours":                {header: []string{"Basic abc", "Bearer def"}, want: "def"},
		"another parameter":                     {query: "?room=7", hello: "abc", want: "abc"},
		"in the URL":                            {query: "?token=s3cret", refuse: "may not stand in the URL"},
		"in the URL, behind what can't be read": {query: "?a=b;token=s3cret", hello: "abc", refuse: "can't be read"},
		"in the URL, another name":              {query: "?room=7&Access_Token=s3cret", hello: "abc", refuse: "may not stand in the URL"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := make(chan string, 1)
				refused := make(chan error, 1)
				l := sessiontest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s, err := session.Accept(w, r, session.Options{})
					if err != nil {
						t.Error(err)
						return
					}
					hello, err := s.Hello()
					got <- hello.Token
					refused <- err
					s.Refuse(wire.AsError(errors.Join(err, &wire.Error{Code: wire.CloseKicked})))
				}))
				ws, _, err := websocket.Dial(t.Context(), sessiontest.URL+c.query, &websocket.DialOptions{ //nolint:bodyclose // closed by Dial
					HTTPClient: l.HTTPClient(), HTTPHeader: http.Header{"Authorization": c.header}, Subprotocols: []string{wire.Subprotocol},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = ws.CloseNow() }()
				send(t, ws, &wire.DeviceHello{Token: c.hello})
				if token := <-got; token != c.want {
					t.Errorf("the token is %q, want %q", token, c.want)
				}
				switch err := <-refused; {
				case c.refuse == "" && err != nil:
					t.Error(err)
				case c.refuse != "":
					if err == nil || strings.Contains(err.Error(), "s3cret") {
						t.Errorf("refused with %v", err)
					}
					wantGoodbye(t, ws, wire.CloseProtocol, c.refuse)
				}
			})
		})
	}
}

// A device whose token has expired goes on with another one: it keeps its id.
func TestDeviceSetToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, err := session.NewDevice(session.DeviceOptions{
			URL: sessiontest.URL, Client: session.ClientOptions{Token: "old", HTTPClient: f.listener.HTTPClient()},
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- d.Run(t.Context()) }()
		p := f.accept(t)
		if p.auth != "Bearer old" {
			t.Errorf("it shows %q", p.auth)
		}
		p.start(known(10, 0))
		p.goodbye(wire.Goodbye{Code: wire.CloseUnauthorized, Text: "the token has expired"})
		if e, ok := errors.AsType[*session.ClosedError](<-ended); !ok || e.Code != wire.CloseUnauthorized {
			t.Fatalf("Run: %v", e)
		}
		d.SetToken("new")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- d.Run(ctx) }()
		p = f.accept(t)
		if p.auth != "Bearer new" || !bytes.Equal(p.said.Device, known(10, 0).Device) {
			t.Errorf("it shows %q and is %x", p.auth, p.said.Device)
		}
		p.start(known(10, 0))
		synctest.Wait()
		cancel()
		p.wantClose()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// What the Go client is given as its token goes into the header, on every
// connection, and the header that it was given beside stays as it is.
func TestClientToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan http.Header, 1)
		l := sessiontest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header
			http.Error(w, "not today", http.StatusForbidden)
		}))
		given := http.Header{"X-Room": {"7"}}
		for _, token := range []string{"", "abc"} {
			_, err := session.Dial(t.Context(), sessiontest.URL, session.ClientOptions{Token: token, Header: given, HTTPClient: l.HTTPClient()})
			if err == nil {
				t.Fatal("it connected")
			}
			h := <-seen
			if want := strings.TrimSuffix("Bearer "+token, "Bearer "); h.Get("Authorization") != want || h.Get("X-Room") != "7" {
				t.Errorf("token %q: %v", token, h)
			}
		}
		if len(given) != 1 {
			t.Errorf("the given header has become %v", given)
		}
	})
}

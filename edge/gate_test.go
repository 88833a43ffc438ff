package edge_test

import (
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"framehub/edge"
)

// elsewhere is a listener whose peers seem to come from another machine.
type elsewhere struct {
	net.Listener
	from atomic.Pointer[string]
}

type elsewhereConn struct {
	net.Conn
	from net.Addr
}

func (e *elsewhere) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return elsewhereConn{c, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(*e.from.Load()))}, nil
}

func (c elsewhereConn) RemoteAddr() net.Addr { return c.from }

func TestLimitOfAll(t *testing.T) {
	var logged output
	s := serve(t, listen(t), edge.Options{Limits: edge.Limits{Connections: 3}, Always: []string{"/healthz"}, Log: logged.logger()})
	silent, upgraded, open := dial(t, s.Addr()), dial(t, s.Addr()), dial(t, s.Addr())
	if code, _, _ := upgraded.ask("/", "Upgrade: x"); code != 101 {
		t.Fatal("code", code)
	}
	if code, _, _ := open.ask("/"); code != 200 {
		t.Fatal("code", code)
	}
	refused := dial(t, s.Addr())
	code, body, header := refused.ask("/", "Upgrade: x")
	if code != 503 || header.Get("Retry-After") == "" || !strings.Contains(body, "3 connections") {
		t.Errorf("code %d, %v, %q", code, header, body)
	}
	refused.gone()
	if code, _, _ := dial(t, s.Addr()).ask("/healthz"); code != 200 {
		t.Errorf("health is answered with %d", code)
	}
	if line := logged.String(); !strings.Contains(line, "audit=true event=connection_refused remote=127.0.0.1:") || !strings.Contains(line, "code=503") {
		t.Errorf("logged:\n%s", line)
	}
	for name, p := range map[string]*peer{"silent": silent, "upgraded": upgraded} {
		_ = p.Close()
		eventually(t, "there is room when the "+name+" one is gone", func() bool {
			next := dial(t, s.Addr())
			code, _, _ := next.ask("/")
			if code == 503 {
				_ = next.Close()
			}
			return code == 200
		})
	}
}

// TestFloodOfSilence opens more connections than are told that they are too many.
func TestFloodOfSilence(t *testing.T) {
	s := serve(t, listen(t), edge.Options{Limits: edge.Limits{Connections: 1}})
	first := dial(t, s.Addr())
	first.ask("/")
	var flood []*peer
	for range 100 {
		flood = append(flood, dial(t, s.Addr()))
	}
	flood[99].gone() // at once, for it is above what is told
	if code, _, _ := flood[0].ask("/"); code != 503 {
		t.Errorf("code %d", code)
	}
	if code, _, _ := first.ask("/"); code != 200 {
		t.Errorf("the one that was there before has code %d", code)
	}
}

func TestLimitOfAnAddress(t *testing.T) {
	for name, c := range map[string]struct {
		from, next string
		want       int
	}{
		"IPv4":                     {"192.0.2.1:1", "192.0.2.1:2", 503},
		"another IPv4":             {"192.0.2.1:1", "192.0.2.2:1", 200},
		"IPv6 of one network":      {"[2001:db8::1]:1", "[2001:db8::ffff:2]:2", 503},
		"IPv6 of another network":  {"[2001:db8::1]:1", "[2001:db8:0:1::1]:2", 200},
		"IPv4 in IPv6":             {"[::ffff:192.0.2.1]:1", "192.0.2.1:2", 503},
		"IPv6 with a zone":         {"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", 503},
		"this machine":             {"127.0.0.1:1", "127.0.0.1:2", 200},
		"this machine, IPv6":       {"[::1]:1", "[::1]:2", 200},
		"this machine, IPv4 in it": {"[::ffff:127.0.0.1]:1", "127.0.0.1:2", 200},
	} {
		t.Run(name, func(t *testing.T) {
			l := &elsewhere{Listener: listen(t)}
			l.from.Store(&c.from)
			s := serve(t, l, edge.Options{Limits: edge.Limits{PerAddress: 2}})
			one, two := dial(t, s.Addr()), dial(t, s.Addr())
			one.ask("/")
			two.ask("/")
			l.from.Store(&c.next)
			code, body, _ := dial(t, s.Addr()).ask("/")
			if code != c.want || code == 503 && !strings.Contains(body, "2 connections") {
				t.Errorf("code %d, want %d: %s", code, c.want, body)
			}
			_ = one.Close()
			eventually(t, "there is room when one is gone", func() bool {
				next := dial(t, s.Addr())
				code, _, _ := next.ask("/")
				_ = next.Close()
				return code == 200
			})
		})
	}
}

// TestLimitBehindProxy: what a proxy forwards counts for its client, as long as it
// is that client's.
func TestLimitBehindProxy(t *testing.T) {
	s := serve(t, listen(t), edge.Options{
		Limits: edge.Limits{PerAddress: 2}, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	upgrade := func(p *peer, from string) int {
		code, _, _ := p.ask("/", "Upgrade: x", "X-Forwarded-For: "+from)
		return code
	}
	var kept []*peer
	for i, want := range []int{101, 101, 503, 503} {
		p := dial(t, s.Addr())
		if code := upgrade(p, "192.0.2.1"); code != want {
			t.Errorf("connection %d: code %d, want %d", i, code, want)
		}
		kept = append(kept, p)
	}
	if code := upgrade(dial(t, s.Addr()), "192.0.2.2"); code != 101 {
		t.Errorf("another client: code %d", code)
	}
	shared := dial(t, s.Addr())
	for range 5 { // requests are nobody's
		if code, body, _ := shared.ask("/", "X-Forwarded-For: 192.0.2.1"); code != 200 || body != "192.0.2.1" {
			t.Errorf("a request: code %d, from %q", code, body)
		}
	}
	_ = kept[0].Close()
	eventually(t, "there is room when one is gone", func() bool { return upgrade(dial(t, s.Addr()), "192.0.2.1") == 101 })
	for i, want := range []int{101, 101, 503} { // whom they are for can't be told
		if code := upgrade(dial(t, s.Addr()), "nobody"); code != want {
			t.Errorf("malformed %d: code %d, want %d", i, code, want)
		}
	}
}

// A tired listener can't accept for some time, as when a process has too many
// files open.
type tired struct {
	net.Listener
	left atomic.Int32
}

func (l *tired) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestListenerGoesOn(t *testing.T) {
	var logged output
	l := &tired{Listener: listen(t)}
	l.left.Store(5)
	s := serve(t, l, edge.Options{Log: logged.logger()})
	if code, _, _ := dial(t, s.Addr()).ask("/"); code != 200 {
		t.Errorf("code %d", code)
	}
	if n := strings.Count(logged.String(), "too many open files"); n != 1 {
		t.Errorf("it said so %d times:\n%s", n, &logged)
	}
}

// TestCloseWhileTired ends a server that waits for its listener.
func TestCloseWhileTired(t *testing.T) {
	l := &tired{Listener: listen(t)}
	l.left.Store(1 << 30)
	serve(t, l, edge.Options{})
	eventually(t, "it has tried some times", func() bool { return l.left.Load() < 1<<30-3 })
}

package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"framehub/audit"
)

const (
	maxTold   = 64 // connections above the limits that are let in only to be told so
	leastWait = 5 * time.Millisecond
	mostWait  = time.Second // between two tries of a listener that can't accept

	complainEvery = 10 * time.Second
)

// A gate is a listener that counts its connections, all and by address, from when
// they are accepted until they are closed, whatever becomes of them between. One
// above the limits is marked as refused, to be told; when too many are being told,
// it is closed without a word.
type gate struct {
	net.Listener
	limits Limits
	trusts trusted
	log    *slog.Logger
	audit  *audit.Log

	complain rate.Sometimes // of what can't be accepted

	once sync.Once
	done chan struct{} // closed by Close

	mu        sync.Mutex // guards the following
	all, told int
	by        map[netip.Prefix]int
}

func newGate(l net.Listener, o *Options) *gate {
	return &gate{
		Listener: l, limits: o.Limits, trusts: o.Proxies, log: o.Log, audit: o.Audit,
		complain: rate.Sometimes{Interval: complainEvery}, done: make(chan struct{}), by: map[netip.Prefix]int{},
	}
}

// Close implements net.Listener.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.done) })
	return g.Listener.Close()
}

// Accept implements net.Listener. It fails only after Close: what else keeps it
// from accepting, such as too many open files, passes.
func (g *gate) Accept() (net.Conn, error) {
	wait := leastWait
	for {
		nc, err := g.Listener.Accept()
		if err == nil {
			if c := g.admit(nc); c != nil {
				return c, nil
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		g.complain.Do(func() {
			g.log.Error("no connection can be accepted, trying again", "listener", g.Addr().String(), "err", err)
		})
		select {
		case <-g.done:
			return nil, net.ErrClosed
		case <-time.After(wait):
			wait = min(2*wait, mostWait)
		}
	}
}

// admit counts a connection in, or closes it and returns nil.
func (g *gate) admit(nc net.Conn) *conn {
	c := &conn{Conn: nc, gate: g}
	peer, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	addr := peer.Addr().Unmap()
	c.proxied = g.trusts.has(addr)
	tell := g.count(c, addr)
	if c.refusal != "" {
		g.audit.Add(audit.ConnectionRefused, audit.Record{Remote: peer.String(), Code: "503", Reason: c.refusal})
	}
	if !tell {
		_ = nc.Close()
		return nil
	}
	return c
}

// count counts a connection from an address, or says in it why it is refused; false:
// it can't even be told so.
func (g *gate) count(c *conn, addr netip.Addr) (tell bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.all >= g.limits.Connections:
		c.refusal = fmt.Sprintf("this hub has %d connections, which is all that it takes: try again later", g.all)
	case !c.proxied && !addr.IsLoopback():
		c.refusal = g.enter(c, addr)
	}
	switch {
	case c.refusal == "":
		g.all++
	case g.told < maxTold:
		g.told++
	default:
		return false
	}
	return true
}

// enter counts a connection as one of an address, or says why not. It is called
// under mu.
func (g *gate) enter(c *conn, addr netip.Addr) (refusal string) {
	key := network(addr)
	if g.by[key] >= g.limits.PerAddress {
		return fmt.Sprintf("%v has %d connections, which is all that one address may have: close some, or try again later", show(key), g.by[key])
	}
	g.by[key]++
	c.counted = key
	return ""
}

// move counts a connection that came through a proxy as one of the address that
// the proxy tells of its present request, or says why not. The zero address is
// nobody's.
func (g *gate) move(c *conn, addr netip.Addr) (refusal string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.closed || c.refusal != "" {
		return ""
	}
	g.exit(c)
	if !addr.IsValid() {
		return ""
	}
	return g.enter(c, addr)
}

// exit takes a connection off its address, if it counts for one. It is called
// under mu.
func (g *gate) exit(c *conn) {
	if !c.counted.IsValid() {
		return
	}
	if g.by[c.counted]--; g.by[c.counted] == 0 {
		delete(g.by, c.counted)
	}
	c.counted = netip.Prefix{}
}

// leave counts a connection out, once.
func (g *gate) leave(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	if c.refusal != "" {
		g.told--
		return
	}
	g.all--
	g.exit(c)
}

// network returns what is counted as one address: of IPv6, what a customer is
// usually given.
func network(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits) // fails for the zero address, as the zero prefix
	return p
}

func show(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// A conn is a connection that a gate has counted.
type conn struct {
	net.Conn
	gate *gate

	// Set by admit, never changed after.
	proxied bool   // its peer is a trusted proxy
	refusal string // why it is above a limit; empty: it is not

	counted netip.Prefix // guarded by gate.mu: the address that it counts for
	closed  bool         // guarded by gate.mu
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.gate.leave(c)
	return c.Conn.Close()
}

// SyscallConn implements syscall.Conn.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// CloseWrite lets net/http end an answer before it closes.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

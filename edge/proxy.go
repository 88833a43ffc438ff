package edge

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// trusted are the addresses of proxies that are believed.
type trusted []netip.Prefix

func (t trusted) has(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(t, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// ParseProxies reads addresses and networks, such as 127.0.0.1 and 10.0.0.0/8.
func ParseProxies(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, e := netip.ParseAddr(text)
			if e != nil || addr.Zone() != "" {
				return nil, fmt.Errorf("%q is no address and no network: write 10.0.0.5 or 10.0.0.0/8", text)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// client returns the address that a trusted proxy tells of its client: the last
// one that is no trusted proxy's itself. ok is false where the headers tell none,
// or none that can be relied on: malformed, or Forwarded and X-Forwarded-For tell
// different ones, of which the proxy may have passed one on unseen.
func (t trusted) client(h http.Header) (client netip.AddrPort, ok bool) {
	forwarded, listed := h.Values("Forwarded"), h.Values("X-Forwarded-For")
	var found []netip.AddrPort
	for _, from := range []struct {
		lines []string
		parse func(string) ([]string, error)
	}{
		{forwarded, parseForwarded},
		{listed, func(line string) ([]string, error) { return strings.Split(line, ","), nil }},
	} {
		if len(from.lines) == 0 {
			continue
		}
		c, err := t.last(from.lines, from.parse)
		if err != nil {
			return netip.AddrPort{}, false
		}
		found = append(found, c)
	}
	switch {
	case len(found) == 0, len(found) == 2 && found[0].Addr() != found[1].Addr():
		return netip.AddrPort{}, false
	default:
		return found[0], true
	}
}

// last returns the last address of a header that is no trusted proxy's, or the
// first one of all. What stands before it is not looked at: anybody may have
// written it.
func (t trusted) last(lines []string, parse func(string) ([]string, error)) (addr netip.AddrPort, err error) {
	for _, line := range slices.Backward(lines) {
		nodes, err := parse(line)
		if err != nil {
			return addr, err
		}
		for _, node := range slices.Backward(nodes) {
			if addr, err = parseNode(strings.TrimSpace(node)); err != nil {
				return addr, err
			}
			if !t.has(addr.Addr()) {
				return addr, nil
			}
		}
	}
	return addr, nil
}

// parseNode reads an address, with a port or without.
func parseNode(node string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(node, "["), "]")); err == nil {
		return netip.AddrPortFrom(addr.Unmap().WithZone(""), 0), nil
	}
	ap, err := netip.ParseAddrPort(node)
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), err
}

var errForwarded = errors.New("malformed Forwarded")

// parseForwarded returns the for= of each element of a Forwarded header (RFC 7239, 4).
func parseForwarded(line string) (nodes []string, err error) {
	for rest := line; ; {
		node, found := "", false
		for more := true; more; {
			var name, value string
			if name, value, rest, err = pair(rest); err != nil {
				return nil, err
			}
			if strings.EqualFold(name, "for") {
				if found {
					return nil, errForwarded
				}
				node, found = value, true
			}
			if more = strings.HasPrefix(rest, ";"); more {
				rest = rest[1:]
			}
		}
		if !found {
			return nil, errForwarded
		}
		nodes = append(nodes, node)
		if rest == "" {
			return nodes, nil
		}
		if rest[0] != ',' {
			return nil, errForwarded
		}
		rest = rest[1:]
	}
}

// pair reads name=value, where the value may be quoted, and the space around it.
func pair(s string) (name, value, rest string, err error) {
	name, s, ok := strings.Cut(s, "=")
	if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t,;\"") {
		return "", "", "", errForwarded
	}
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ",;")
		if end < 0 {
			end = len(s)
		}
		value = strings.TrimRight(s[:end], " \t")
		if value == "" || strings.ContainsAny(value, " \t\"\\") {
			return "", "", "", errForwarded
		}
		return name, value, s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return name, b.String(), strings.TrimLeft(s[i+1:], " \t"), nil
		case '\\':
			if i++; i == len(s) {
				return "", "", "", errForwarded
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", "", errForwarded
}

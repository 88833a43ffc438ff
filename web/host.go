package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// thisMachine refuses requests that were sent to another name than this
// machine's own.
func thisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !own(r.Host) {
			http.Error(w, "this address is for this machine only: use 127.0.0.1", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named refuses requests to the admin listener that were sent to another name than
// this machine's own and those that it has been given, and what has come to these
// without TLS, as far as a proxy says so. AdminRemote without names takes any.
func (o Options) named(next http.Handler) http.Handler {
	names := make([]string, len(o.AdminHosts))
	for i, n := range o.AdminHosts {
		names[i] = nameOf(n)
	}
	anyName := o.AdminRemote && len(names) == 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !own(r.Host) && !anyName && !slices.Contains(names, nameOf(r.Host)):
			http.Error(w, "the hub does not answer to this name: use 127.0.0.1 on its machine, or have who runs it allow the name with --admin-host", http.StatusMisdirectedRequest)
		case !own(r.Host) && r.TLS == nil && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "http"):
			http.Error(w, "this came to the proxy without TLS, where passwords would be in clear: use https", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// CheckHosts returns why one of the names of [Options] can't be one.
func CheckHosts(names []string) error {
	for _, n := range names {
		if n == "" || n != nameOf(n) || strings.ContainsAny(n, "/*@[] ") {
			return fmt.Errorf("%q is no name of a host: write hub.example, in small letters and without a port", n)
		}
	}
	return nil
}

// own says whether a Host, with a port or without, is this machine's own name:
// localhost, or an address of its loopback.
func own(host string) bool {
	name := nameOf(host)
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.IsLoopback()
}

// nameOf returns the name in a Host, which may have a port.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return host
}

package mvsqlite

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Scheme begins the address of a database on mvSQLite.
const Scheme = "mvsqlite://"

// A Cluster is a database on mvSQLite: where it is, and what it is called.
type Cluster struct {
	DataPlanes []string // URLs of one or more mvstores, of which any will do
	Admin      string   // the URL of a mvstore's admin API; "": not told
	Namespace  string   // of the game database
}

// Frames returns the namespace of the frame log.
func (c *Cluster) Frames() string { return c.Namespace + ".frames" }

// Namespaces returns both namespaces.
func (c *Cluster) Namespaces() []string { return []string{c.Namespace, c.Frames()} }

// Is says whether a --db is meant to be on mvSQLite.
func Is(db string) bool { return strings.HasPrefix(db, Scheme) }

const form = Scheme + "HOST:PORT[,HOST:PORT…]/NAMESPACE[?admin=HOST:PORT&tls=1]"

// namespaceName leaves out what mvSQLite takes apart ('@' before a version, ':'), and
// what is escaped in a URI.
var namespaceName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

// Parse reads an address: mvsqlite://HOST:PORT[,HOST:PORT…]/NAMESPACE, with
// ?admin=HOST:PORT for the admin API, and &tls=1 where mvstore stands behind TLS.
func Parse(db string) (*Cluster, error) {
	c, err := parse(db)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", db, err)
	}
	return c, nil
}

func parse(db string) (*Cluster, error) {
	rest, ok := strings.CutPrefix(db, Scheme)
	if !ok {
		return nil, errors.New("this is no address of a database on mvSQLite, which looks like " + form)
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, namespace, ok := strings.Cut(rest, "/")
	if !ok || namespace == "" {
		return nil, errors.New("it names no namespace: write " + form)
	}
	if !namespaceName.MatchString(namespace) {
		return nil, fmt.Errorf("the namespace %q can't be used: letters, digits, _, - and . it may have, at most 100", namespace)
	}
	o, err := parseOptions(query)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Namespace: namespace}
	for host := range strings.SplitSeq(hosts, ",") {
		u, err := o.url(host)
		if err != nil {
			return nil, err
		}
		c.DataPlanes = append(c.DataPlanes, u)
	}
	if o.admin != "" {
		if c.Admin, err = o.url(o.admin); err != nil {
			return nil, fmt.Errorf("admin=%s: %w", o.admin, err)
		}
	}
	return c, nil
}

type options struct {
	admin string
	tls   bool
}

func parseOptions(query string) (o options, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, fmt.Errorf("what stands behind the ? can't be read: %w", err)
	}
	for key, list := range values {
		value := list[len(list)-1]
		switch key {
		case "admin":
			if o.admin = value; value == "" {
				return o, errors.New("admin= is empty: write the HOST:PORT of mvstore's --admin-api")
			}
		case "tls":
			if o.tls, err = strconv.ParseBool(value); err != nil {
				return o, fmt.Errorf("tls=%s: write tls=1 for https, or leave it out", value)
			}
		default:
			return o, fmt.Errorf("there is no option %q, only admin=HOST:PORT and tls=1", key)
		}
	}
	return o, nil
}

// url returns the URL of a HOST:PORT.
func (o options) url(host string) (string, error) {
	if strings.Contains(host, "@") {
		return "", errors.New("user and password are nothing that mvstore asks for: leave out what stands before the @")
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil || name == "" {
		return "", fmt.Errorf("%q is not HOST:PORT: write the address of mvstore's --data-plane, such as 10.0.0.5:7000", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q has no port of 1 to 65535", host)
	}
	scheme := "http"
	if o.tls {
		scheme = "https"
	}
	u := url.URL{Scheme: scheme, Host: net.JoinHostPort(name, port)}
	if parsed, err := url.Parse(u.String()); err != nil || parsed.Hostname() != name {
		return "", fmt.Errorf("%q is no name or address of a host", name)
	}
	return u.String(), nil
}

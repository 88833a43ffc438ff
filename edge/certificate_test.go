package edge_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"framehub/edge"
)

// A pair is a certificate of localhost and its key, in PEM.
type pair struct {
	serial    int64
	cert, key []byte
}

func newPair(t *testing.T, serial int64) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		serial,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
}

// files writes a pair into a folder, as written at a time: clocks of file
// systems are coarse.
func (p pair) files(t *testing.T, dir string, at time.Time) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put(t, cert, p.cert, at)
	put(t, key, p.key, at)
	return cert, key
}

func put(t *testing.T, name string, text []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	p := newPair(t, 1)
	cert, key := p.files(t, t.TempDir(), time.Now())
	var logged output
	c, err := edge.LoadCertificate(cert, key, logged.logger())
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, listen(t), edge.Options{Certificate: c, Limits: edge.Limits{Connections: 5}, Log: logged.logger()})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.cert)
	for name, tc := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"as it should be":    {&tls.Config{NextProtos: []string{"h2", "http/1.1"}}, ""},
		"without ALPN":       {&tls.Config{}, ""},
		"TLS 1.2":            {&tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		"TLS 1.1":            {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "protocol version"},
		"HTTP/2 and no less": {&tls.Config{NextProtos: []string{"h2"}}, "no application protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := dial(t, s.Addr())
			tc.config.RootCAs, tc.config.ServerName = roots, "localhost"
			conn := tls.Client(raw.Conn, tc.config)
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"); err != nil {
				if tc.want == "" || !strings.Contains(err.Error(), tc.want) {
					t.Fatal(err)
				}
				return
			}
			answer, err := io.ReadAll(conn)
			if err != nil || tc.want != "" || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
				t.Errorf("%v: %q", err, answer)
			}
		})
	}
	t.Run("no TLS at all", func(t *testing.T) {
		if code, body, _ := dial(t, s.Addr()).ask("/"); code != 400 || !strings.Contains(body, "HTTPS") {
			t.Errorf("code %d: %s", code, body)
		}
	})
	t.Run("no handshake", func(t *testing.T) {
		t.Parallel()
		silent, slow := dial(t, s.Addr()), dial(t, s.Addr())
		slow.send("\x16\x03\x01\x02\x00")
		silent.gone()
		slow.gone()
	})
	if text := logged.String(); text != "" { // peers' mistakes are theirs
		t.Errorf("logged:\n%s", text)
	}
}

// TestLimitsWithTLS: who is above a limit is told, over TLS.
func TestLimitsWithTLS(t *testing.T) {
	p := newPair(t, 1)
	cert, key := p.files(t, t.TempDir(), time.Now())
	var logged output
	c, err := edge.LoadCertificate(cert, key, logged.logger())
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, listen(t), edge.Options{Certificate: c, Limits: edge.Limits{Connections: 1}, Log: logged.logger()})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.cert)
	dial(t, s.Addr())
	conn := tls.Client(dial(t, s.Addr()).Conn, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503") {
		t.Errorf("%v: %q", err, answer)
	}
}

// TestCertificateChanges looks at what handshakes get, by a clock of its own.
func TestCertificateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, now := t.TempDir(), time.Now()
		one, two, three := newPair(t, 1), newPair(t, 2), newPair(t, 3)
		cert, key := one.files(t, dir, now)
		var logged output
		c, err := edge.LoadCertificate(cert, key, logged.logger())
		if err != nil {
			t.Fatal(err)
		}
		get := c.Config().GetCertificate
		expect := func(what string, want pair, lines int) {
			t.Helper()
			p, err := get(&tls.ClientHelloInfo{})
			if err != nil || p.Leaf.SerialNumber.Int64() != want.serial {
				t.Errorf("%s: %v, %v, want number %d", what, p.Leaf.SerialNumber, err, want.serial)
			}
			if n := strings.Count(logged.String(), "\n"); n != lines {
				t.Errorf("%s: logged %d lines, not %d:\n%s", what, n, lines, &logged)
			}
		}
		second := func() { <-time.After(time.Second) }

		expect("at first", one, 0)
		two.files(t, dir, now.Add(time.Hour))
		expect("too early to look", one, 0)
		second()
		expect("changed", two, 1)

		put(t, cert, three.cert, now.Add(2*time.Hour))
		second()
		expect("half changed", two, 2)
		second()
		expect("half changed, said once", two, 2)
		put(t, key, three.key, now.Add(2*time.Hour))
		second()
		expect("changed in two steps", three, 3)

		put(t, cert, []byte("-----BEGIN"), now.Add(3*time.Hour))
		second()
		expect("broken", three, 4)
		if err := os.Remove(cert); err != nil {
			t.Fatal(err)
		}
		second()
		expect("gone", three, 5)
		if err := c.Reload(); err == nil || !strings.Contains(err.Error(), cert) {
			t.Errorf("reloading what is gone: %v", err)
		}
		expect("after that", three, 5)
		one.files(t, dir, now.Add(4*time.Hour))
		if err := c.Reload(); err != nil {
			t.Error(err)
		}
		expect("reloaded, at once", one, 5)
	})
}

func TestCertificateMistakes(t *testing.T) {
	dir := t.TempDir()
	one, two := newPair(t, 1), newPair(t, 2)
	cert, key := one.files(t, dir, time.Now())
	other, empty, missing := filepath.Join(dir, "other.pem"), filepath.Join(dir, "empty.pem"), filepath.Join(dir, "missing.pem")
	put(t, other, two.key, time.Now())
	put(t, empty, nil, time.Now())
	for name, c := range map[string]struct{ cert, key, want string }{
		"no certificate":      {missing, key, "missing.pem"},
		"no key":              {cert, missing, "missing.pem"},
		"empty":               {empty, key, "empty.pem"},
		"the key of another":  {cert, other, "other.pem"},
		"the wrong way round": {key, cert, "key.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			var logged output
			if _, err := edge.LoadCertificate(c.cert, c.key, logged.logger()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Error(err)
			}
		})
	}
}

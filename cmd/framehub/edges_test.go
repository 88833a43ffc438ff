package main_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// newCertificate writes a certificate of 127.0.0.1 and its key into a folder.
func newCertificate(t *testing.T, dir string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return write(t, filepath.Join(dir, "cert.pem"), string(text)),
		write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}))), roots
}

// trusting returns a client that trusts these certificates.
func trusting(t *testing.T, roots *x509.CertPool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, client *http.Client, url string, headers ...string) (code int, body string, header http.Header) {
	t.Helper()
	return ask(t, client, http.MethodGet, url, headers...)
}

// post asks the operators' listener, with a token and without a body.
func post(t *testing.T, url, token string) (code int, body string) {
	t.Helper()
	code, body, _ = ask(t, http.DefaultClient, http.MethodPost, url, "Authorization", "Bearer "+token)
	return code, body
}

func ask(t *testing.T, client *http.Client, method, url string, headers ...string) (code int, body string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, "", resp.Header
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

// TestServeTLS: devices and operators come by TLS, and SIGHUP changes the
// certificate under a session that goes on.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, roots := newCertificate(t, dir)
	tables := write(t, filepath.Join(dir, "schema.sql"), schema)
	p := newChild(t, serveArgs(dir, "--schema", tables, "--tls-cert", cert, "--tls-key", key, "--admin-tls-cert", cert, "--admin-tls-key", key))
	url := p.out.await(t, `devices +(wss://\S+)`)
	admin := p.out.await(t, `operators +(https://\S+)`)
	old := trusting(t, roots)
	c, err := session.Dial(t.Context(), url, session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true}, HTTPClient: old})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Drop()
	if code, _, header := get(t, old, admin); code != 200 || header.Get("Strict-Transport-Security") == "" {
		t.Errorf("code %d, %v", code, header)
	}

	write(t, key, "no key")
	p.hangup(t)
	p.out.await(t, `(event=reload code=failed .*key\.pem)`)
	if code, _, _ := get(t, old, admin); code != 200 {
		t.Errorf("after a broken reload: code %d", code)
	}
	_, _, roots = newCertificate(t, dir)
	p.hangup(t)
	p.out.await(t, `(event=reload code=done)`)
	if code, _, _ := get(t, trusting(t, roots), admin); code != 200 {
		t.Errorf("with the new certificate: code %d", code)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Clock(ctx, 7); err != nil {
		t.Fatalf("the session from before: %v", err)
	}
	for {
		m, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("the session from before: %v", err)
		}
		if _, ok := m.(*wire.Clock); ok {
			return
		}
	}
}

// A child is a hub in a process of its own, to be sent signals.
type child struct {
	out *output
	cmd *exec.Cmd
}

func newChild(t *testing.T, args []string, before ...string) *child {
	t.Helper()
	c := &child{out: newOutput()}
	argv := append(append(before, os.Args[0]), args...)
	c.cmd = exec.Command(argv[0], argv[1:]...) //nolint:noctx // killed below
	c.cmd.Env = append(os.Environ(), childArgs+"=1")
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait() // killed
		if t.Failed() || strings.Contains(c.out.String(), "DATA RACE") {
			t.Errorf("the hub printed:\n%s", c.out)
		}
	})
	return c
}

func (c *child) hangup(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestSignalsWhileStarting: a hub that is not yet ready keeps a SIGHUP until it is, and ends
// as it should at a SIGTERM.
func TestSignalsWhileStarting(t *testing.T) {
	starting := func(sig syscall.Signal) *child {
		dir := t.TempDir()
		tables := filepath.Join(dir, "schema.sql")
		if err := syscall.Mkfifo(tables, 0o600); err != nil {
			t.Fatal(err)
		}
		c := newChild(t, serveArgs(dir, "--schema", tables, "--config", write(t, filepath.Join(dir, "framehub.toml"), "")))
		w, err := os.OpenFile(tables, os.O_WRONLY, 0) // waits until the hub reads its schema
		if err != nil {
			t.Fatal(err)
		}
		if err := c.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_, err = w.WriteString(schema)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	starting(syscall.SIGHUP).out.await(t, `(event=reload code=done)`)
	c := starting(syscall.SIGTERM)
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// TestOriginFromFile: what a refusal says to add to the file lets the page in.
func TestOriginFromFile(t *testing.T) {
	dir := t.TempDir()
	tables := write(t, filepath.Join(dir, "schema.sql"), schema)
	upgrade := []string{
		"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==",
		"Origin", "https://game.example",
	}
	config := filepath.Join(dir, "framehub.toml")
	write(t, config, "origin = \"other.example\"\n")
	p := start(t, serveArgs(dir, "--schema", tables, "--config", config)...)
	url := strings.Replace(p.out.await(t, `(ws://\S+)`), "ws", "http", 1)
	client := trusting(t, nil)
	if code, body, _ := get(t, client, url, upgrade...); code != 403 || !strings.Contains(body, "--origin") {
		t.Fatalf("code %d: %s", code, body)
	}
	line := p.err.await(t, `configuration file: (origin = \[.*?\])`)
	p.end()
	write(t, config, strings.ReplaceAll(line, `\"`, `"`)+"\n")
	p = start(t, serveArgs(dir, "--schema", tables, "--config", config)...)
	url = strings.Replace(p.out.await(t, `(ws://\S+)`), "ws", "http", 1)
	if code, _, _ := get(t, client, url, upgrade...); code != 101 {
		t.Fatalf("with %s: code %d", line, code)
	}
}

// TestLimitsFromFlags: a silent connection counts, and the one above the limit is told.
func TestLimitsFromFlags(t *testing.T) {
	dir := t.TempDir()
	tables := write(t, filepath.Join(dir, "schema.sql"), schema)
	p := start(t, serveArgs(dir, "--schema", tables, "--max-sessions", "1")...)
	url := p.out.await(t, `(ws://\S+)`)
	addr := regexp.MustCompile(`ws://([^/]+)`).FindStringSubmatch(url)[1]
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := session.Dial(t.Context(), url, session.ClientOptions{}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("the error is %v", err)
	}
	p.err.await(t, `(event=connection_refused remote=127.0.0.1:\d+ code=503)`)
}

// TestTooManyFiles: a hub that can open no more files goes on when it can.
func TestTooManyFiles(t *testing.T) {
	dir := t.TempDir()
	tables := write(t, filepath.Join(dir, "schema.sql"), schema)
	p := newChild(t, serveArgs(dir, "--schema", tables), "sh", "-c", `ulimit -n 40 && exec "$0" "$@"`)
	url := p.out.await(t, `(ws://\S+)`)
	addr := regexp.MustCompile(`ws://([^/]+)`).FindStringSubmatch(url)[1]
	var flood []net.Conn
	for range 80 {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		flood = append(flood, c)
	}
	p.out.await(t, `(no connection can be accepted.*too many open files)`)
	for _, c := range flood {
		_ = c.Close()
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := session.Dial(t.Context(), url, session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true}})
		if err == nil {
			c.Drop()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not come back: %v", err)
		}
	}
}

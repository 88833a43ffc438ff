package edge

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// checkEvery is how often handshakes look whether a certificate's files have changed.
const checkEvery = time.Second

// A Certificate is a TLS certificate and its key, in two files of PEM. When the
// files change, the next handshakes use the new pair. Its methods may be called at
// the same time.
type Certificate struct {
	cert, key string // files
	log       *slog.Logger

	mu      sync.Mutex // guards the following
	pair    *tls.Certificate
	seen    [2]stamp // of the files as they were last read, well or not
	checked time.Time
}

// A stamp is what changes when a file does.
type stamp struct {
	time time.Time
	size int64
}

// LoadCertificate reads a certificate and its key. The files are opened again
// when they change.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: certFile, key: keyFile, log: log}
	return c, c.Reload()
}

// Reload reads the files now. After an error the pair before it goes on.
func (c *Certificate) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *Certificate) read() error {
	c.checked = time.Now()
	c.seen = c.stamps()
	cert, err := os.ReadFile(c.cert)
	if err != nil {
		return fmt.Errorf("TLS certificate: %w", err)
	}
	key, err := os.ReadFile(c.key)
	if err != nil {
		return fmt.Errorf("TLS key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", c.cert, c.key, err)
	}
	if until := pair.Leaf.NotAfter; time.Now().After(until) {
		c.log.Warn("the TLS certificate has expired: clients will refuse it", "file", c.cert, "until", until)
	}
	c.pair = &pair
	return nil
}

// stamps looks at the files; one that is missing has the zero stamp.
func (c *Certificate) stamps() (s [2]stamp) {
	for i, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// get returns the pair, new if its files have changed.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.checked) < checkEvery {
		return c.pair, nil
	}
	c.checked = now
	if c.stamps() == c.seen {
		return c.pair, nil
	}
	if err := c.read(); err != nil {
		c.log.Error("the new TLS certificate can't be used, the one before it goes on", "err", err)
	} else {
		c.log.Info("new TLS certificate", "file", c.cert, "until", c.pair.Leaf.NotAfter)
	}
	return c.pair, nil
}

// Config returns the TLS of a server that speaks HTTP/1.1 alone, which WebSockets
// need.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: c.get}
}

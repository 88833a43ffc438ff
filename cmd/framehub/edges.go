package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"syscall"
	"time"

	"framehub/audit"
	"framehub/edge"
	"framehub/web"
)

// The connections of the admin listener: all, and of one address, which must not
// keep everybody else out.
const (
	maxOperators     = 256
	maxOperatorsFrom = 64
)

// edgeFlags say how the network reaches the hub.
type edgeFlags struct {
	TLSCert      string `name:"tls-cert" placeholder:"FILE" help:"Certificate of the device listener, in PEM; read again when it changes."`
	TLSKey       string `name:"tls-key" placeholder:"FILE" help:"Its key."`
	AdminTLSCert string `name:"admin-tls-cert" placeholder:"FILE" help:"Certificate of the operators' listener."`
	AdminTLSKey  string `name:"admin-tls-key" placeholder:"FILE" help:"Its key."`

	Origin       []string `placeholder:"HOST" help:"Pages of other sites that may be devices, such as game.example or https://*.game.example; may be repeated."`
	TrustedProxy []string `placeholder:"CIDR" help:"Proxies that are believed about whom they forward for, such as 10.0.0.0/8; may be repeated."`

	MaxSessions           int `default:"10000" placeholder:"N" help:"Connections of devices at a time (${default})."`
	MaxSessionsPerAddress int `default:"256" placeholder:"N" help:"Connections of one address, or /64 network of IPv6 (${default}); those of this machine itself don't count."`
}

// edges are the flags as the listeners take them.
type edges struct {
	devices, operators edge.Options
	certificates       []*edge.Certificate
}

// open reads what the flags name, and tells what is wrong with them.
func (f *edgeFlags) open(log *slog.Logger, lines *audit.Log) (*edges, error) {
	if f.MaxSessions < 1 || f.MaxSessionsPerAddress < 1 {
		return nil, errors.New("--max-sessions and --max-sessions-per-address must be above 0")
	}
	if err := web.CheckOrigins(f.Origin); err != nil {
		return nil, fmt.Errorf("--origin: %w", err)
	}
	proxies, err := edge.ParseProxies(f.TrustedProxy)
	if err != nil {
		return nil, fmt.Errorf("--trusted-proxy: %w", err)
	}
	e := &edges{}
	devices, err := e.certificate("tls", f.TLSCert, f.TLSKey, log)
	if err != nil {
		return nil, err
	}
	operators, err := e.certificate("admin-tls", f.AdminTLSCert, f.AdminTLSKey, log)
	if err != nil {
		return nil, err
	}
	health := []string{"/healthz", "/readyz"}
	e.devices = edge.Options{
		Certificate: devices, Proxies: proxies, Limits: edge.Limits{Connections: f.MaxSessions, PerAddress: f.MaxSessionsPerAddress},
		Always: health, Log: log, Audit: lines,
	}
	e.operators = edge.Options{
		Certificate: operators, Proxies: proxies, Limits: edge.Limits{Connections: maxOperators, PerAddress: maxOperatorsFrom},
		Always: health, WriteTimeout: 5 * time.Minute, Log: log, Audit: lines, // a profile takes its time
	}
	return e, nil
}

// certificate reads the pair of two flags, if they are set.
func (e *edges) certificate(flags, cert, key string, log *slog.Logger) (*edge.Certificate, error) {
	switch {
	case cert == "" && key == "":
		return nil, nil
	case cert == "" || key == "":
		return nil, fmt.Errorf("--%s-cert and --%[1]s-key go together: one of them is missing", flags)
	}
	c, err := edge.LoadCertificate(cert, key, log)
	if err != nil {
		return nil, fmt.Errorf("--%s-cert, --%[1]s-key: %w", flags, err)
	}
	e.certificates = append(e.certificates, c)
	return c, nil
}

// listen opens both listeners.
func (e *edges) listen(ctx context.Context, s *serveCommand, device, admin http.Handler) (devices, operators *edge.Server, err error) {
	if devices, err = edge.Listen(ctx, s.Listen, device, e.devices); err != nil {
		return nil, nil, inUse("--listen", s.Listen, err)
	}
	if operators, err = edge.Listen(ctx, s.AdminListen, admin, e.operators); err != nil {
		return nil, nil, errors.Join(inUse("--admin-listen", s.AdminListen, err), devices.Close())
	}
	return devices, operators, nil
}

// inUse says what to do where somebody else listens already.
func inUse(flag, addr string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return fmt.Errorf("%s: something listens on %s already, another hub perhaps: stop it first, or give another address with %[1]s", flag, addr)
}

// reload reads the certificates again.
func (e *edges) reload() error {
	var errs []error
	for _, c := range e.certificates {
		errs = append(errs, c.Reload())
	}
	return errors.Join(errs...)
}

// scheme returns a URL's scheme, which ends with an s over TLS.
func scheme(name string, s *edge.Server) string {
	if s.TLS() {
		return name + "s"
	}
	return name
}

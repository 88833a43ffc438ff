package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"framehub/auth"
	"framehub/edge"
	"framehub/operators"
	"framehub/web"
)

// adminFlags say who may look and act on the operators' listener.
type adminFlags struct {
	AdminAuth     string        `enum:"login,none" default:"login" help:"How operators prove who they are: ${enum}. login: by an account, or a token; none: everybody on this machine may do everything."`
	AdminIdle     time.Duration `default:"1h" placeholder:"TIME" help:"How long a login lasts without a request (${default})."`
	AdminLife     time.Duration `default:"12h" placeholder:"TIME" help:"How long a login lasts at most (${default})."`
	AdminHost     []string      `placeholder:"NAME" help:"Names of the operators' page beside this machine's own, such as hub.example, where a proxy with TLS is before it; may be repeated."`
	OperatorsFile string        `placeholder:"FILE" help:"The accounts of operators; by default beside the database, X.db has X.operators.json."`
}

func (f *adminFlags) check(listen string, tls bool) error {
	if err := web.CheckHosts(f.AdminHost); err != nil {
		return fmt.Errorf("--admin-host: %w", err)
	}
	switch {
	case f.AdminIdle < time.Minute || f.AdminLife < f.AdminIdle:
		return fmt.Errorf("--admin-idle is %v and --admin-life %v: the first must be a minute at least, the second not less", f.AdminIdle, f.AdminLife)
	case len(f.AdminHost) > 0 && f.AdminAuth == "none":
		return fmt.Errorf("--admin-host %s can be reached from other machines, and with --admin-auth none nothing checks who asks: leave one of them out", f.AdminHost[0])
	case loopback(listen):
		return nil
	case f.AdminAuth == "none":
		return fmt.Errorf("--admin-listen %s can be reached from other machines, and with --admin-auth none nothing checks who asks: use 127.0.0.1", listen)
	case !tls:
		return fmt.Errorf("--admin-listen %s can be reached from other machines, and passwords would cross the network in clear: give --admin-tls-cert and --admin-tls-key, or use 127.0.0.1", listen)
	}
	return nil
}

// operatorsFile returns where the accounts are: where a flag says, or beside the database.
func operatorsFile(flag, db string) string {
	if flag != "" {
		return flag
	}
	return besideDB(db) + ".operators.json"
}

// openAdmin lets operators in: with an account, with a token that the device listener's
// gate takes, and where that asks nobody, with one of the hub's own key.
func (s *serveCommand) openAdmin(g *gate, o *web.Options) error {
	if s.AdminAuth == "none" {
		if g.Gate != nil {
			o.Log.Warn("everybody on this machine may do everything on the operators' listener: --admin-auth none", "auth", s.Auth)
		}
		return nil
	}
	path := operatorsFile(s.OperatorsFile, s.DB)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil { // on mvSQLite nothing else may be in it
		return err
	}
	accounts, err := operators.Open(path)
	if err != nil {
		return err
	}
	o.Operators = operators.NewLogins(accounts, operators.Timeouts{Idle: s.AdminIdle, Life: s.AdminLife})
	o.AdminRemote, o.AdminHosts = !loopback(s.AdminListen), s.AdminHost
	if len(s.AdminHost) > 0 && loopback(s.AdminListen) && len(s.Edges.TrustedProxy) == 0 {
		o.Log.Warn("all operators who come through a proxy count as one address: name the proxy with --trusted-proxy", "name", s.AdminHost[0])
	}
	tokens := g.Gate
	if tokens == nil {
		key, _, err := auth.OpenKey(keyFile(s.KeyFile, s.DB), s.Audience)
		if err != nil {
			return err
		}
		tokens = auth.NewGate(key, nil)
	}
	o.AdminAuth = func(ctx context.Context, token string) (string, operators.Role, error) {
		return adminOf(ctx, tokens, g.bans, token)
	}
	return nil
}

// adminOf says whose a token is and what he may on the admin listener, or why it is
// not taken there. The error holds nothing of the token.
func adminOf(ctx context.Context, g *auth.Gate, bans *auth.Bans, token string) (name string, role operators.Role, err error) {
	id, err := g.Enter(ctx, token)
	if denied, ok := errors.AsType[*auth.DeniedError](err); ok {
		return "", "", denied.Reason
	}
	var may string
	if err == nil {
		may, err = id.Operates()
	}
	if err == nil && bans.Find(&id, uuid.Nil, time.Now()) != nil {
		err = auth.ErrRevoked
	}
	return id.User, operators.Role(may), err
}

// announceAccount says how the first account is made, while there is none.
func (f *adminFlags) announceAccount(out io.Writer, accounts *operators.Logins, listener *edge.Server) error {
	if accounts == nil {
		return nil
	}
	page := scheme("http", listener) + "://" + listener.Addr()
	if len(f.AdminHost) > 0 {
		page = "https://" + f.AdminHost[0]
	}
	secret, expires, err := accounts.FirstLink()
	if secret != "" {
		_, err = fmt.Fprintf(out, "account    %s   makes the first account: once, until %s\n", linkURL(page, secret), expires.Local().Format("15:04"))
	}
	return err
}

// linkURL is where a one-time link leads. Its secret stands where browsers send it to nobody.
func linkURL(page, secret string) string { return page + "/#/first/" + secret }

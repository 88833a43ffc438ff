package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"framehub/auth"
)

// authFlags say who may connect.
type authFlags struct {
	Auth      string `enum:"none,token,jwt" default:"none" help:"How devices prove who they are: ${enum}. token: the hub's own, from framehub token; jwt: another issuer's."`
	KeyFile   string `placeholder:"FILE" help:"With --auth token: the hub's key, made at the first start; by default beside the database, X.db has X.key, and data/NAMESPACE.key on mvSQLite."`
	JWKS      string `name:"jwks" placeholder:"FILE|URL" help:"With --auth jwt: the issuer's keys, a JWK set."`
	PublicKey string `placeholder:"FILE" help:"With --auth jwt: the issuer's one key, in PEM, instead of a JWK set."`
	Issuer    string `placeholder:"ISS" help:"With --auth jwt: whose tokens are good (claim iss)."`
	Audience  string `placeholder:"AUD" help:"For whom tokens are, to be good here (claim aud); with --auth token framehub by default."`
	RoleClaim string `default:"role" placeholder:"CLAIM" help:"With --auth jwt: the claim that has the role, or a list of them (${default})."`
	Revoked   string `placeholder:"FILE" help:"List of revoked token ids, one a line, or \"user TIME NAME\"; read again when it changes."`
}

func (f *authFlags) check() error {
	for _, flag := range []struct {
		name  string
		given bool
		auth  string // with which it has a meaning
	}{
		{"--key-file", f.KeyFile != "", "token"}, {"--jwks", f.JWKS != "", "jwt"}, {"--public-key", f.PublicKey != "", "jwt"},
		{"--issuer", f.Issuer != "", "jwt"}, {"--role-claim", f.RoleClaim != "role", "jwt"},
		{"--audience", f.Audience != "", "token or jwt"}, {"--revoked", f.Revoked != "", "token or jwt"},
	} {
		if flag.given && !strings.Contains(flag.auth, f.Auth) {
			return fmt.Errorf("%s says nothing with --auth %s: it goes with --auth %s", flag.name, f.Auth, flag.auth)
		}
	}
	if f.Auth == "jwt" && (f.JWKS == "") == (f.PublicKey == "") {
		return errors.New("--auth jwt needs the issuer's keys: either --jwks or --public-key")
	}
	return nil
}

// A gate is what lets sessions in, and what must run beside the hub for it.
type gate struct {
	*auth.Gate // nil: nobody is asked
	bans       *auth.Bans
	beside     []func(context.Context, *slog.Logger)
}

// open reads the keys, the list of what is revoked, and whom operators have banned.
func (f *authFlags) open(ctx context.Context, db string, log *slog.Logger) (*gate, error) {
	bans, err := auth.OpenBans(besideDB(db) + ".bans")
	if err != nil {
		return nil, err
	}
	g := &gate{bans: bans}
	var verifier auth.Verifier
	switch f.Auth {
	case "none":
		return g, nil
	case "token":
		path := keyFile(f.KeyFile, db)
		key, made, err := auth.OpenKey(path, f.Audience)
		if err != nil {
			return nil, fmt.Errorf("--auth token: %w", err)
		}
		if made {
			log.Info("a key was made, which signs tokens: keep it to yourself", "file", path)
		}
		verifier = key
	case "jwt":
		keys, err := f.openKeys(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("--auth jwt: %w", err)
		}
		if verifier, err = auth.NewForeign(auth.ForeignOptions{Issuer: f.Issuer, Audience: f.Audience, Role: f.RoleClaim, Keys: keys}); err != nil {
			return nil, fmt.Errorf("--auth jwt: %w", err)
		}
	}
	var revoked *auth.Revoked
	if f.Revoked != "" {
		if revoked, err = auth.LoadRevoked(f.Revoked); err != nil {
			return nil, fmt.Errorf("--revoked: %w", err)
		}
		g.beside = append(g.beside, revoked.Run)
	}
	g.Gate = auth.NewGate(verifier, revoked)
	return g, nil
}

func (f *authFlags) openKeys(ctx context.Context, g *gate) (auth.KeySource, error) {
	if f.PublicKey != "" {
		return auth.ReadPublicKey(f.PublicKey)
	}
	keys, err := auth.OpenKeySet(ctx, f.JWKS)
	if err != nil {
		return nil, err
	}
	g.beside = append(g.beside, keys.Run)
	return keys, nil
}

// keyFile returns where the hub's key is: where a flag says, or beside the database.
func keyFile(flag, db string) string {
	if flag != "" {
		return flag
	}
	return besideDB(db) + ".key"
}

func trimDB(db string) string { return strings.TrimSuffix(db, ".db") }

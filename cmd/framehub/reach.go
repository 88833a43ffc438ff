package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/user"
	"strings"
	"time"

	"framehub/auth"
)

// hubFlags say how a command reaches a hub that runs, on its operators' listener.
type hubFlags struct {
	AdminURL string `name:"admin-url" default:"http://127.0.0.1:8081" placeholder:"URL" help:"The hub's operators' listener (${default})."`
	Token    string `placeholder:"TOKEN|@FILE" help:"A token of the role operator, or for what only looks viewer; @FILE keeps it out of the list of processes. By default one is made for this request with the hub's key, where that can be read."`
	DB       string `name:"db" default:"data/world.db" placeholder:"FILE" help:"Without --token: the hub's database, beside which its key is (${default})."`
}

// ownToken makes a token for one request with the hub's own key: who can read that may
// do everything anyway. It goes over TLS, or to this machine. "" where there is no key.
func (f *hubFlags) ownToken() string {
	to, err := url.Parse(f.AdminURL)
	if err != nil || to.Scheme != "https" && !loopback(net.JoinHostPort(to.Hostname(), "0")) {
		return ""
	}
	key, err := auth.LoadKey(keyFile("", f.DB), "")
	if err != nil {
		return ""
	}
	id := auth.Identity{User: "framehub", Roles: []string{auth.RoleOperator}, Expires: time.Now().Add(answerTimeout)}
	if who, err := user.Current(); err == nil {
		id.User = who.Username
	}
	token, err := key.Mint(&id)
	if err != nil {
		return ""
	}
	return token
}

const (
	answerTimeout = 30 * time.Second
	mostAnswer    = 64 << 20 // 10,000 sessions are 5 MiB
)

// ask sends a request to the admin API, with a body if that is not nil, and reads
// the answer's JSON into answer.
func (f *hubFlags) ask(ctx context.Context, method, path string, body, answer any) error {
	token := f.Token
	if err := readToken("--token", &token); err != nil {
		return err
	}
	if token == "" {
		token = f.ownToken()
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	r, err := f.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("no hub answers at --admin-url %s: %w", f.AdminURL, reason(err))
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("the hub's answer breaks off: %w", err)
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the hub refuses: %s (--token, from: framehub token --role operator --user NAME; or --db, as who may read its key)", strings.TrimSpace(string(text)))
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the hub refuses (%d): %s", resp.StatusCode, strings.TrimSpace(string(text)))
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s is no hub's operators' listener: %w", f.AdminURL, err)
	}
	return nil
}

func (f *hubFlags) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	at, err := url.JoinPath(f.AdminURL, path)
	if err != nil {
		return nil, fmt.Errorf("--admin-url: %w", err)
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("--admin-url: %w", err)
	}
	return r, nil
}

// reason leaves out of an error the method and the URL, which its reader knows.
func reason(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

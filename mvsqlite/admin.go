package mvsqlite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ErrMissing is a namespace that the cluster has not got.
var ErrMissing = errors.New("a namespace is missing")

// adminPatience is how long an answer of the admin API may take.
const adminPatience = 10 * time.Second

// Prepare looks whether the cluster has the namespaces, and makes them if create is
// set. It does nothing when the admin API's address is not told, and create is not set.
func (c *Cluster) Prepare(ctx context.Context, create bool) error {
	if c.Admin == "" {
		if create {
			return errors.New("--mvsqlite-create makes namespaces through mvstore's admin API: say where it is, with ?admin=HOST:PORT at the end of --db")
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	var missing []string
	for _, ns := range c.Namespaces() {
		have, err := c.has(ctx, ns)
		switch {
		case err != nil:
			return err
		case have:
		case create:
			if err := c.create(ctx, ns); err != nil {
				return err
			}
		default:
			missing = append(missing, ns)
		}
	}
	if len(missing) > 0 {
		return c.Missing(missing...)
	}
	return nil
}

// Missing returns an ErrMissing that says what makes the namespaces.
func (c *Cluster) Missing(namespaces ...string) error {
	admin := c.Admin
	if admin == "" {
		admin = "http://ADMIN-HOST:7001"
	}
	var commands strings.Builder
	for _, ns := range namespaces {
		fmt.Fprintf(&commands, "\n  curl -d '{\"key\":\"%s\"}' %s/api/create_namespace", ns, admin)
	}
	again := "or start with --mvsqlite-create"
	if c.Admin == "" {
		again = "ADMIN-HOST is where a mvstore has its --admin-api; or tell it to --db with ?admin=HOST:PORT, and start with --mvsqlite-create"
	}
	return fmt.Errorf("%w: the cluster has no %s. Make it:%s\n%s", ErrMissing, strings.Join(namespaces, " and no "), commands.String(), again)
}

func (c *Cluster) has(ctx context.Context, namespace string) (bool, error) {
	resp, err := c.ask(ctx, http.MethodGet, "/api/list_namespace?prefix="+url.QueryEscape(namespace), nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return false, c.refused("list namespaces", resp)
	}
	for dec := json.NewDecoder(resp.Body); ; {
		var line struct {
			Key string `json:"nskey"`
		}
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("%s does not answer as mvstore's admin API does: is it the address of --admin-api? %w", c.Admin, err)
		case line.Key == namespace:
			return true, nil
		}
	}
}

func (c *Cluster) create(ctx context.Context, namespace string) error {
	body, err := json.Marshal(map[string]string{"key": namespace})
	if err != nil {
		return err
	}
	resp, err := c.ask(ctx, http.MethodPost, "/api/create_namespace", body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	made := []int{http.StatusOK, http.StatusCreated, http.StatusUnprocessableEntity} // the last: it is there already
	if !slices.Contains(made, resp.StatusCode) {
		return c.refused("make the namespace "+namespace, resp)
	}
	return nil
}

func (c *Cluster) ask(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Admin+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("mvstore's admin API does not answer: %w", err)
	}
	return resp, nil
}

func (c *Cluster) refused(what string, resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	return fmt.Errorf("mvstore's admin API %s did not %s: %s %q", c.Admin, what, resp.Status, strings.TrimSpace(string(text)))
}

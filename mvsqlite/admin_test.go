package mvsqlite_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"framehub/mvsqlite"
)

// An admin answers as mvstore's admin API does.
type admin struct {
	*httptest.Server
	mu         sync.Mutex
	namespaces []string
}

func newAdmin(t *testing.T, namespaces ...string) *admin {
	t.Helper()
	a := &admin{namespaces: namespaces}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/list_namespace", a.list)
	mux.HandleFunc("POST /api/create_namespace", a.create)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *admin) list(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, ns := range a.namespaces {
		if strings.HasPrefix(ns, r.FormValue("prefix")) {
			_, _ = fmt.Fprintf(w, "{\"nskey\": %q, \"nsid\": \"%020x\"}\n", ns, i)
		}
	}
}

func (a *admin) create(w http.ResponseWriter, r *http.Request) {
	var body struct{ Key string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.namespaces, body.Key) {
		http.Error(w, "this key already exists", http.StatusUnprocessableEntity)
		return
	}
	a.namespaces = append(a.namespaces, body.Key)
	w.WriteHeader(http.StatusCreated)
}

func cluster(t *testing.T, admin string) *mvsqlite.Cluster {
	t.Helper()
	address := "mvsqlite://127.0.0.1:7000/world"
	if admin != "" {
		address += "?admin=" + strings.TrimPrefix(admin, "http://")
	}
	c, err := mvsqlite.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPrepare(t *testing.T) {
	a := newAdmin(t, "world.old", "worlds")
	c := cluster(t, a.URL)
	err := c.Prepare(t.Context(), false)
	for _, words := range []string{
		"the cluster has no world and no world.frames",
		`curl -d '{"key":"world"}' ` + a.URL + "/api/create_namespace",
		`curl -d '{"key":"world.frames"}' ` + a.URL + "/api/create_namespace",
		"--mvsqlite-create",
	} {
		if !errors.Is(err, mvsqlite.ErrMissing) || !strings.Contains(err.Error(), words) {
			t.Errorf("without the namespaces: %v; want %q", err, words)
		}
	}
	for range 2 {
		if err := c.Prepare(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"world.old", "worlds", "world", "world.frames"}; !slices.Equal(a.namespaces, want) {
		t.Errorf("namespaces %q, want %q", a.namespaces, want)
	}
	if err := c.Prepare(t.Context(), false); err != nil {
		t.Errorf("with both: %v", err)
	}
}

func TestPrepareOneIsThere(t *testing.T) {
	c := cluster(t, newAdmin(t, "world").URL)
	if err := c.Prepare(t.Context(), false); err == nil || !strings.Contains(err.Error(), "the cluster has no world.frames. Make it") {
		t.Errorf("without the log: %v", err)
	}
}

func TestPrepareNoAdmin(t *testing.T) {
	c := cluster(t, "")
	if err := c.Prepare(t.Context(), false); err != nil {
		t.Errorf("nothing can be looked at, and the hub will tell: %v", err)
	}
	if err := c.Prepare(t.Context(), true); err == nil || !strings.Contains(err.Error(), "?admin=HOST:PORT") {
		t.Errorf("nothing can be made: %v", err)
	}
	if err := c.Missing("world"); !strings.Contains(err.Error(), "http://ADMIN-HOST:7001/api/create_namespace") || !strings.Contains(err.Error(), "?admin=HOST:PORT") {
		t.Errorf("what to do: %v", err)
	}
}

func TestPrepareFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		words  string
	}{
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no quorum", http.StatusInternalServerError)
		}, `500 Internal Server Error "no quorum"`},
		"another API": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "is it the address of --admin-api?"},
		"no creating": {func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Error(w, "read-only", http.StatusBadRequest)
			}
		}, "did not make the namespace world: 400"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(c.answer)
			defer s.Close()
			if err := cluster(t, s.URL).Prepare(t.Context(), true); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v; want %q", err, c.words)
			}
		})
	}
	s := httptest.NewServer(nil)
	s.Close()
	if err := cluster(t, s.URL).Prepare(t.Context(), true); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("nobody there: %v", err)
	}
}

package main_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// metricsOf returns what the operators' listener at a URL tells.
func metricsOf(t *testing.T, admin string) string {
	t.Helper()
	code, body, _ := get(t, trusting(t, nil), admin+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("%d: %s", code, body)
	}
	return body
}

// everyMetric returns what a hub that makes backups tells.
func everyMetric(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	p := start(t, serveArgs(dir, "--schema", write(t, filepath.Join(dir, "schema.sql"), schema))...)
	return metricsOf(t, p.out.await(t, `operators +(http://\S+?)/`))
}

// TestMetricNames asks Prometheus' own linter about the names and units.
func TestMetricNames(t *testing.T) {
	text := everyMetric(t)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n := len(regexp.MustCompile(`(?m)^# HELP framehub_`).FindAllString(text, -1)); n < 30 {
		t.Errorf("only %d metrics are the hub's", n)
	}
}

// TestNamedMetricsExist: every metric that a file names is one.
func TestNamedMetricsExist(t *testing.T) {
	metrics := everyMetric(t)
	for file, least := range map[string]int{"deploy/alerts.yml": 10, "deploy/grafana.json": 20} {
		names := regexp.MustCompile(`\b(framehub|process)_[a-z_]+`).FindAllString(project(t, file), -1)
		if len(names) < least {
			t.Errorf("%s names only %v", file, names)
		}
		for _, name := range names {
			if !regexp.MustCompile(`(?m)^` + name + `[ {]`).MatchString(metrics) {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
}

// TestDashboard: Grafana can read the dashboard, whose panels ask for something and
// don't lie over each other.
func TestDashboard(t *testing.T) {
	var d struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(project(t, "deploy/grafana.json")), &d); err != nil || len(d.Panels) < 10 {
		t.Fatalf("%v: %d panels", err, len(d.Panels))
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if len(p.Targets) == 0 || p.Title == "" || ids[p.ID] {
			t.Errorf("panel %d, %q, has no title, asks for nothing, or has another's id", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" || at[0] >= 24 {
					t.Fatalf("%q lies over %q, or beyond the edge", p.Title, taken[at])
				}
				taken[at] = p.Title
			}
		}
		for _, target := range p.Targets {
			if strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("%s: %s", p.Title, target.Expr)
			}
		}
	}
}

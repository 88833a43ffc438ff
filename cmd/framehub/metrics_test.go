package main_test

import (
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
	for _, file := range []string{"deploy/alerts.yml"} {
		names := regexp.MustCompile(`framehub_[a-z_]+`).FindAllString(project(t, file), -1)
		if len(names) < 4 {
			t.Errorf("%s names only %v", file, names)
		}
		for _, name := range names {
			if !strings.Contains(metrics, "\n"+name) {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
}

package web_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"framehub/audit"
	"framehub/web"
)

func TestSettingsAPI(t *testing.T) {
	file := web.RuleFile{Path: "framehub.toml", Text: "[tables.entity]\nreed = \"all\"\n", Mistakes: []web.Mistake{{Line: 2, Text: "unknown rule"}}, Changed: []string{}, Advice: []string{}}
	w := newWorld(t, func(o *web.Options) {
		o.Settings = []web.Setting{{Name: "frame-hz", Value: "60", From: "default", Help: "Frames a second."}}
		o.Rules = func() web.RuleFile { return file }
	})
	if a := w.get(w.Admin, "/api/settings"); a.body != `[{"name":"frame-hz","value":"60","from":"default","help":"Frames a second."}]`+"\n" {
		t.Error(a.body)
	}
	var got web.RuleFile
	if a := w.get(w.Admin, "/api/rules"); json.Unmarshal([]byte(a.body), &got) != nil || got.Mistakes[0] != file.Mistakes[0] || got.Text != file.Text {
		t.Error(a.body)
	}
}

func TestLogAPI(t *testing.T) {
	tail := &audit.Tail{}
	log := slog.New(tail.Handler(slog.NewTextHandler(t.Output(), nil)))
	w := newWorld(t, func(o *web.Options) { o.Tail = tail })
	log.Warn("first", "n", 1)
	next := w.stream(t.Context(), "topic=log")
	read := func(data string) (l web.LogLines) {
		t.Helper()
		if err := json.Unmarshal([]byte(data), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	_, data := next()
	if l := read(data); len(l.Lines) != 1 || l.Lines[0].Message != "first" || l.Lines[0].Attrs[0] != (audit.Attr{Key: "n", Value: "1"}) || l.Began.IsZero() {
		t.Fatal(data)
	}
	log.Info("second")
	if _, data = next(); len(read(data).Lines) != 1 || read(data).Lines[0].Seq != 2 {
		t.Fatal(data)
	}
	if a := w.get(w.Admin, "/api/log?after=1"); len(read(a.body).Lines) != 1 || read(a.body).Lines[0].Message != "second" {
		t.Error(a.body)
	}
	if a := w.get(w.Admin, "/api/log?after=x"); a.code != http.StatusBadRequest {
		t.Error(a.code, a.body)
	}
}

func TestBackupsAPI(t *testing.T) {
	w := newWorld(t)
	var list web.BackupList
	if a := w.get(w.Admin, "/api/backups/copies"); json.Unmarshal([]byte(a.body), &list) != nil || list.DB == "" || list.Copies == nil {
		t.Error(a.body)
	}
	const at = "/api/backups/copies/aa-bb/"
	a := w.get(w.Admin, at+"3/archive")
	if a.code != 200 || a.body != "what a copy holds" || a.header.Get("Content-Length") != "17" ||
		a.header.Get("Content-Disposition") != "attachment; filename=framehub-aa-bb-3.tar" || a.header.Get("Content-Type") != "application/x-tar" {
		t.Errorf("%d %q %v", a.code, a.body, a.header)
	}
	for path, code := range map[string]int{at + "1/archive": 404, at + "latest/archive": 404} {
		if a := w.get(w.Admin, path); a.code != code {
			t.Errorf("%s: %d %s", path, a.code, a.body)
		}
	}
	for path, code := range map[string]int{at + "1/verify": 409, at + "x/verify": 409, at + "3/verify": 200} {
		if a := w.post(path, ""); a.code != code {
			t.Errorf("%s: %d %s", path, a.code, a.body)
		}
	}
}

// TestBrokenDownload sees that a file which breaks off is told from a whole one.
func TestBrokenDownload(t *testing.T) {
	w := newWorld(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.Admin+"/api/backups/copies/aa-bb/2/archive", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes seem to be all", len(body))
	}
}

func TestNoBackups(t *testing.T) {
	w := newWorld(t, func(o *web.Options) { o.Backups = nil })
	for _, path := range []string{"/api/backups", "/api/backups/copies", "/api/backups/copies/aa-bb/3/archive"} {
		if a := w.get(w.Admin, path); a.code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.code, a.body)
		}
	}
	if topic, data := w.stream(t.Context(), "topic=backups")(); topic != "backups" || data != "null" {
		t.Errorf("%s: %s", topic, data)
	}
}

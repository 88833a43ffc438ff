package place_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"framehub/backup/place"
	"framehub/backup/place/placetest"
)

// TestFolder and TestBucket: both kinds of places keep what they promise.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when needed")
	testPlace(t, dir, dir)
}

func TestBucket(t *testing.T) {
	url, dir := placetest.Bucket(t)
	testPlace(t, url, filepath.Join(dir, "world"))
}

func testPlace(t *testing.T, where, dir string) {
	t.Helper()
	p, err := place.Open(where)
	if err != nil {
		t.Fatal(err)
	}
	if p.String() != where {
		t.Errorf("it is called %q", p)
	}
	if list := names(t, p, ""); list != "" {
		t.Errorf("an empty place has %q", list)
	}
	if _, err := p.Open(t.Context(), "a/nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("open what is not there:", err)
	}
	if err := p.Remove(t.Context(), "a/nothing"); err != nil {
		t.Error("remove what is not there:", err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 2<<20) // 32 MiB: a bucket takes it in parts
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, large, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Put(t.Context(), "a/large", file); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file that was put is there still:", err)
	}
	for _, text := range []string{"one", "another, which takes its place"} {
		if err := p.Write(t.Context(), "a/small", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, p, "a/small"); got != text {
			t.Errorf("read %q", got)
		}
	}
	if err := p.Write(t.Context(), "b/empty", nil); err != nil {
		t.Fatal(err)
	}
	if got := read(t, p, "a/large"); got != string(large) {
		t.Errorf("of the large one %d bytes come back", len(got))
	}
	if got := names(t, p, ""); got != "a/large a/small b/empty" {
		t.Errorf("it has %q", got)
	}
	if got := names(t, p, "a/s"); got != "a/small" {
		t.Errorf("with a prefix it has %q", got)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a", "small")); err != nil || !strings.HasPrefix(string(b), "another") {
		t.Errorf("the file is %q, %v", b, err)
	}
	list, err := p.List(t.Context(), "a/large")
	if err != nil || list[0].Size != int64(len(large)) || list[0].Time.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	for _, name := range []string{"a/large", "a/small", "b/empty"} {
		if err := p.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, p, ""); got != "" {
		t.Errorf("after all was removed it has %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Write(ctx, "c", []byte("c")); !errors.Is(err, context.Canceled) {
		t.Error("write when it is too late:", err)
	}
	if got := names(t, p, ""); got != "" {
		t.Errorf("it is there: %q", got)
	}
}

func names(tb testing.TB, p place.Place, prefix string) string {
	tb.Helper()
	list, err := p.List(tb.Context(), prefix)
	if err != nil {
		tb.Fatal(err)
	}
	var all []string
	for _, b := range list {
		all = append(all, b.Name)
	}
	return strings.Join(all, " ")
}

func read(tb testing.TB, p place.Place, name string) string {
	tb.Helper()
	r, err := p.Open(tb.Context(), name)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// TestFolderLeavesPartials: a file that is being written is none.
func TestFolderLeavesPartials(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".x-ABCDEFGH.partial"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := place.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, p, ""); got != "" {
		t.Errorf("it has %q", got)
	}
}

// TestFolderFull: what can't be written leaves nothing behind.
func TestFolderFull(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("no folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := place.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), "a/b", []byte("x")); err == nil {
		t.Error("a file is in a file")
	}
	if got := names(t, p, ""); got != "a" {
		t.Errorf("it has %q", got)
	}
}

func TestBucketURLs(t *testing.T) {
	for url, want := range map[string]string{
		"s3://":                             "names no bucket",
		"s3://me:secret@bucket":             "credentials stand elsewhere",
		"s3://bucket?endpoint=minio:9000":   "no URL like",
		"s3://bucket?style=odd":             "path or host",
		"s3://bucket?access-key=AKIA":       "none of endpoint",
		"s3://bucket/prefix?region=x":       "",
		"s3://b?endpoint=https://s3.a.test": "",
	} {
		_, err := place.Open(url)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the secret: %v", url, err)
		}
	}
}

// TestBucketTrouble: what stands in the way is told so that one can do something.
func TestBucketTrouble(t *testing.T) {
	url, _ := placetest.Bucket(t)
	t.Run("another key", func(t *testing.T) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
		p, err := place.Open(url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.List(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") {
			t.Error(err)
		}
	})
	t.Run("no bucket", func(t *testing.T) {
		p, err := place.Open(strings.Replace(url, "s3://backups", "s3://nobody", 1))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Write(t.Context(), "a", []byte("a")); err == nil || !strings.Contains(err.Error(), "Make the bucket first") {
			t.Error(err)
		}
	})
}

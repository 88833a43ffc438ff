// Package placetest runs a real S3 server for tests: versitygw, which serves folders by
// Amazon's protocol and is used in production. A fake one would be as lenient as we are.
package placetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	access = "framehub-test"
	secret = "framehub-test-secret" //nolint:gosec // of a server that ends with the test
)

// Bucket starts a server with an empty bucket until the test ends, puts its credentials
// into the environment, and returns the bucket's URL, and the folder that its objects are
// files in. Where there is no versitygw the test is skipped, with CI=true it fails.
func Bucket(tb testing.TB) (url, dir string) {
	tb.Helper()
	program := os.Getenv("VERSITYGW")
	if program == "" {
		program = "versitygw"
	}
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		tb.Fatal("there is no versitygw, the S3 server of the tests:", err)
	default:
		tb.Skip("there is no versitygw, the S3 server of the tests (scripts/setup-test-tools s3 makes it):", err)
	}
	root := tb.TempDir()
	data, meta := filepath.Join(root, "data"), filepath.Join(root, "meta")
	for _, dir := range []string{data, meta} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	addr := freeAddress(tb)
	cmd := exec.CommandContext(context.Background(), path, "--port", addr, "--access", access, "--secret", secret, "--quiet", "posix", "--sidecar", meta, data) //nolint:gosec // a program of the tests
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	tb.Setenv("AWS_ACCESS_KEY_ID", access)
	tb.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := minio.New(addr, &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Transport: transport})
	if err != nil {
		tb.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(30 * time.Second); ; {
		err := client.MakeBucket(tb.Context(), "backups", minio.MakeBucketOptions{})
		if err == nil {
			return fmt.Sprintf("s3://backups/world?endpoint=http://%s&region=us-east-1", addr), filepath.Join(data, "backups")
		}
		select {
		case <-tick.C:
		case <-timeout:
			tb.Fatalf("versitygw does not answer: %v\n%s", err, out.String())
		}
	}
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

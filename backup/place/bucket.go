package place

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// A bucket has an object for each blob, below a prefix.
type bucket struct {
	client *minio.Client
	url    string
	name   string
	prefix string // empty, or with a slash at its end
}

// openBucket opens s3://BUCKET/PREFIX?endpoint=URL&region=NAME&style=path|host. What is left
// out comes from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and AWS_REGION; credentials come from the
// environment, ~/.aws/credentials, or the role of the machine or container.
func openBucket(where string) (*bucket, error) {
	u, err := url.Parse(where)
	if err != nil {
		return nil, err
	}
	if u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%s names no bucket: it should be s3://BUCKET/PREFIX, and credentials stand elsewhere", u.Redacted())
	}
	q := u.Query()
	for key := range q {
		if !slices.Contains([]string{"endpoint", "region", "style"}, key) {
			return nil, fmt.Errorf("s3://%s: %q is none of endpoint, region and style", u.Host, key)
		}
	}
	endpoint := cmp.Or(q.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	at, err := url.Parse(endpoint)
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
		return nil, fmt.Errorf("the endpoint %q of s3://%s is no URL like https://s3.example", endpoint, u.Host)
	}
	lookup := minio.BucketLookupAuto
	switch q.Get("style") {
	case "":
	case "path":
		lookup = minio.BucketLookupPath
	case "host":
		lookup = minio.BucketLookupDNS
	default:
		return nil, fmt.Errorf("s3://%s: style is path or host", u.Host)
	}
	client, err := minio.New(at.Host, &minio.Options{
		Creds:        credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{}}),
		Secure:       at.Scheme == "https",
		Region:       cmp.Or(q.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		BucketLookup: lookup,
	})
	if err != nil {
		return nil, fmt.Errorf("s3://%s: %w", u.Host, err)
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &bucket{client: client, url: where, name: u.Host, prefix: prefix}, nil
}

// String implements [Place].
func (b *bucket) String() string { return b.url }

// explain says of an error whose it is, and what to do where that is known.
func (b *bucket) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	answer, _ := errors.AsType[minio.ErrorResponse](err)
	advice := ""
	switch {
	case answer.Code == "NoSuchBucket":
		advice = "Make the bucket first"
	case answer.StatusCode == http.StatusForbidden:
		advice = "Look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials or the machine's role, and at what they may do"
	}
	if advice != "" { // behind the service's own sentence
		return fmt.Errorf("%s in bucket %s: %w %s", what, b.name, err, advice)
	}
	return fmt.Errorf("%s in bucket %s: %w", what, b.name, err)
}

// List implements [Place].
func (b *bucket) List(ctx context.Context, prefix string) (blobs []Blob, err error) {
	for o := range b.client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, b.explain("list backups", o.Err)
		}
		blobs = append(blobs, Blob{Name: strings.TrimPrefix(o.Key, b.prefix), Size: o.Size, Time: o.LastModified})
	}
	slices.SortFunc(blobs, func(a, b Blob) int { return cmp.Compare(a.Name, b.Name) })
	return blobs, ctx.Err()
}

// Open implements [Place].
func (b *bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	o, err := b.client.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.explain("read "+name, err)
	}
	if _, err := o.Stat(); err != nil { // until then nothing was asked
		_ = o.Close() // there is nothing to close
		if answer, _ := errors.AsType[minio.ErrorResponse](err); answer.Code == "NoSuchKey" {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return nil, b.explain("read "+name, err)
	}
	return o, nil
}

var octets = minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true}

// Put implements [Place].
func (b *bucket) Put(ctx context.Context, name, file string) error {
	_, err := b.client.FPutObject(ctx, b.name, b.prefix+name, file, octets)
	if e := os.Remove(file); err == nil && e != nil {
		return e
	}
	return b.explain("write "+name, err)
}

// Write implements [Place].
func (b *bucket) Write(ctx context.Context, name string, data []byte) error {
	_, err := b.client.PutObject(ctx, b.name, b.prefix+name, bytes.NewReader(data), int64(len(data)), octets)
	return b.explain("write "+name, err)
}

// Remove implements [Place].
func (b *bucket) Remove(ctx context.Context, name string) error {
	return b.explain("remove "+name, b.client.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{}))
}

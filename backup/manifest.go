package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"framehub/backup/place"
	"framehub/store"
)

// Format is that of manifests and segments; others are refused.
const Format = 1

// A Manifest tells what a copy is. A copy without one is not there.
type Manifest struct {
	Format  int       `json:"format"`
	ID      Hex       `json:"id"`      // of the database
	Epoch   Hex       `json:"epoch"`   // of its history
	Version uint64    `json:"version"` // that the copy has, exactly
	Time    time.Time `json:"time"`    // of that version
	Made    time.Time `json:"made"`
	Program string    `json:"program"` // that made it

	Data   Data   `json:"data"`   // as it lies in the place
	Raw    Sum    `json:"raw"`    // the database file
	Schema []byte `json:"schema"` // the numbering of tables and columns, by which entries are read

	Contents *store.Contents `json:"contents"`
	OnlyCopy []string        `json:"only_copy"` // what entries don't change: in a restored database it is as here

	Proof *Proof `json:"proof,omitempty"` // nil: it was not proven yet
}

// Data is a copy's file.
type Data struct {
	Sum

	Name       string `json:"name"`
	Encryption string `json:"encryption,omitempty"` // "age"
}

// A Sum is the size of a file in bytes and its SHA-256.
type Sum struct {
	Size   int64 `json:"size"`
	SHA256 Hex   `json:"sha256"`
}

// Hex is bytes, in JSON as hexadecimal digits.
type Hex []byte

// MarshalText implements [encoding.TextMarshaler].
func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hex) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// String returns hexadecimal digits.
func (h Hex) String() string { return hex.EncodeToString(h) }

// A Proof is what a look at a copy said.
type Proof struct {
	Time     time.Time `json:"time"`
	OK       bool      `json:"ok"`
	Error    string    `json:"error,omitempty"`
	Restored uint64    `json:"restored_from,omitempty"` // the version of the copy that was brought to this one's, and was equal
	Apart    []string  `json:"apart,omitempty"`         // but for these tables: other programs wrote to them, which the log does not have
	Millis   int64     `json:"took_ms"`
}

// Good says whether the copy was proven.
func (m *Manifest) Good() bool { return m.Proof != nil && m.Proof.OK }

// history names the folder that the copy lies in.
func (m *Manifest) history() string { return historyName(m.ID, m.Epoch) }

// onlyCopy is what no entry of the log changes.
var onlyCopy = []string{
	"what other programs wrote to tables that only the hub writes (writers = \"hub\", full-text indexes, a UNIQUE index on an expression)",
	"which migrations were applied (_framehub_migration)",
	"statistics of ANALYZE, user_version, application_id",
}

// sealed is a manifest as it lies in its place. The sum is that of the manifest's bytes as
// they stand there.
type sealed struct {
	Manifest json.RawMessage `json:"manifest"`
	SHA256   Hex             `json:"sha256"`
}

var errManifest = errors.New("the manifest is damaged")

func (m *Manifest) seal() ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return json.Marshal(&sealed{text, sum[:]})
}

// unseal reads a manifest. Every byte counts: what would be written again otherwise is
// damaged too.
func unseal(b []byte) (*Manifest, error) {
	var s sealed
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	again, err := json.Marshal(&s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	sum := sha256.Sum256(s.Manifest)
	if !bytes.Equal(sum[:], s.SHA256) || !bytes.Equal(again, b) {
		return nil, errManifest
	}
	m := &Manifest{}
	if err := json.Unmarshal(s.Manifest, m); err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	if m.Format != Format {
		return nil, fmt.Errorf("the copy has format %d, this program knows %d: use the program that made it, %s", m.Format, Format, m.Program)
	}
	if m.Contents == nil || len(m.ID) == 0 || len(m.Epoch) == 0 {
		return nil, errManifest
	}
	return m, nil
}

// maxManifest is more than a manifest of 10,000 tables takes.
const maxManifest = 64 << 20

// readManifest reads a manifest, which must say what its name says.
func readManifest(ctx context.Context, p place.Place, name string) (*Manifest, error) {
	b, err := readAll(ctx, p, name, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m, err := unseal(b)
	if err == nil && manifestName(m.history(), m.Version) != name {
		err = errors.New("the manifest is that of another copy")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func (m *Manifest) write(ctx context.Context, p place.Place) error {
	b, err := m.seal()
	if err != nil {
		return err
	}
	return p.Write(ctx, manifestName(m.history(), m.Version), b)
}

// readAll reads a blob of no more than most bytes.
func readAll(ctx context.Context, p place.Place, name string, most int64) (b []byte, err error) {
	r, err := p.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b, err = io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return b, err
}

package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"framehub/backup/place"
	"framehub/durable"
)

// A packer compresses, and encrypts where there are recipients.
type packer struct {
	*zstd.Encoder

	sealed io.WriteCloser
}

func newPacker(w io.Writer, to []age.Recipient) (*packer, error) {
	sealed, err := seal(w, to)
	if err != nil {
		return nil, err
	}
	p := &packer{sealed: sealed}
	p.Encoder, err = zstd.NewWriter(sealed, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(true))
	return p, err
}

// seal encrypts what is written where there are recipients, and writes it as it is where there are none.
func seal(w io.Writer, to []age.Recipient) (io.WriteCloser, error) {
	if len(to) == 0 {
		return open{w}, nil
	}
	return age.Encrypt(w, to...)
}

// open is not encrypted.
type open struct{ io.Writer }

func (open) Close() error { return nil }

// Close writes what is left.
func (p *packer) Close() error {
	return errors.Join(p.Encoder.Close(), p.sealed.Close())
}

var (
	errNoIdentity = errors.New("it is encrypted: name the file with the key by --identity")
	errOtherKey   = errors.New("it is encrypted for another key than that of --identity")
)

// locked says of an error that the key is missing.
func locked(err error) bool { return errors.Is(err, errNoIdentity) || errors.Is(err, errOtherKey) }

// newUnpacker reads what a packer wrote.
func newUnpacker(r io.Reader, keys []age.Identity, encrypted bool) (*zstd.Decoder, error) {
	if encrypted {
		if len(keys) == 0 {
			return nil, errNoIdentity
		}
		var err error
		r, err = age.Decrypt(r, keys...)
		if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
			return nil, errOtherKey
		}
		if err != nil {
			return nil, fmt.Errorf("decrypt: %w", err)
		}
	}
	return zstd.NewReader(r, zstd.WithDecoderMaxMemory(4<<30), zstd.WithDecoderMaxWindow(64<<20))
}

// A summing counts and sums what passes.
type summing struct {
	sha hash.Hash
	n   int64
}

func newSumming() *summing { return &summing{sha: sha256.New()} }

// Write implements [io.Writer].
func (s *summing) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return s.sha.Write(p)
}

func (s *summing) sum() Sum { return Sum{s.n, s.sha.Sum(nil)} }

const copyBuffer = 1 << 20

// pack packs a file into another one, in one pass.
func pack(ctx context.Context, from, to string, recipients []age.Recipient) (raw, packed Sum, err error) {
	in, err := os.Open(from)
	if err != nil {
		return raw, packed, err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return raw, packed, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	rawSum, packedSum := newSumming(), newSumming()
	buffered := bufio.NewWriterSize(io.MultiWriter(&durable.Pieces{File: out}, packedSum), copyBuffer)
	w, err := newPacker(buffered, recipients)
	if err != nil {
		return raw, packed, err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, rawSum)}, place.UntilDone(ctx, in), make([]byte, copyBuffer))
	if err = errors.Join(err, w.Close(), buffered.Flush()); err != nil {
		return raw, packed, err
	}
	return rawSum.sum(), packedSum.sum(), nil
}

// errDamaged is data that is not what its manifest tells.
var errDamaged = errors.New("the copy is damaged")

// unpack writes the database file of a copy to a new file, and makes sure that every byte is
// as the manifest says. told is told of bytes of the data, and may be nil.
func unpack(ctx context.Context, m *Manifest, from io.Reader, to string, keys []age.Identity, told func(int)) (err error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	packed, raw := newSumming(), newSumming()
	source, sink := &telling{r: from, told: told}, &keeping{w: out}
	in := io.TeeReader(place.UntilDone(ctx, source), packed)
	r, err := newUnpacker(bufio.NewReaderSize(in, copyBuffer), keys, m.Data.Encryption != "")
	if err != nil {
		if locked(err) {
			return err
		}
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	defer r.Close()
	if _, err := io.Copy(io.MultiWriter(sink, raw), io.LimitReader(r, m.Raw.Size+1)); err != nil {
		if other := errors.Join(ctx.Err(), source.err, sink.err); other != nil {
			return other
		}
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // what lies behind is to be summed too
		return err
	}
	if is := packed.sum(); !is.equal(&m.Data.Sum) {
		return fmt.Errorf("%w: %s is not what the manifest says it is", errDamaged, m.Data.Name)
	}
	if is := raw.sum(); !is.equal(&m.Raw) {
		return fmt.Errorf("%w: what is packed in %s is not what the manifest says it is", errDamaged, m.Data.Name)
	}
	return nil
}

func (s *Sum) equal(other *Sum) bool {
	return s.Size == other.Size && string(s.SHA256) == string(other.SHA256)
}

// telling tells how much was read, and keeps the error that ended it.
type telling struct {
	r    io.Reader
	told func(int)
	err  error
}

// Read implements [io.Reader].
func (t *telling) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if t.told != nil {
		t.told(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// keeping keeps the error of its writer.
type keeping struct {
	w   io.Writer
	err error
}

// Write implements [io.Writer].
func (k *keeping) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	if err != nil {
		k.err = err
	}
	return n, err
}

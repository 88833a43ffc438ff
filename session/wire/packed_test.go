package wire_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"framehub/session/wire"
)

func TestPackRoundTrip(t *testing.T) {
	for _, rows := range []int{0, 1, 100, 10_000} {
		t.Run(fmt.Sprint(rows, " rows"), func(t *testing.T) {
			msg := wire.AppendSnapshot(nil, 1, 2, [][]byte{
				wire.AppendBlock(nil, 1, []int{0, 1, 2, 3, 4}, nil, benchGrid(rows, true), nil),
			})
			prefix := []byte("before")
			data := wire.Pack(prefix, msg)
			if !bytes.HasPrefix(data, prefix) {
				t.Fatal("what stood before is gone")
			}
			got, err := wire.Unpack(data[len(prefix):], wire.DefaultMessageLimit)
			if err != nil || !bytes.Equal(got, msg) {
				t.Errorf("unpacked %d bytes of %d, error %v", len(got), len(msg), err)
			}
			if rows > 1 && len(data) > len(msg)*3/4 {
				t.Errorf("%d bytes were packed into %d", len(msg), len(data))
			}
		})
	}
}

func TestPackAtTheSameTime(t *testing.T) {
	msg := encode(8, 0, bytes.Repeat([]byte("frame"), 5000))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				if got, err := wire.Unpack(wire.Pack(nil, msg), len(msg)); err != nil || !bytes.Equal(got, msg) {
					t.Errorf("unpacked %d bytes, error %v", len(got), err)
				}
			}
		})
	}
	wait.Wait()
}

// TestUnpackOthers: what other encoders do is taken, and what lies is not.
func TestUnpackOthers(t *testing.T) {
	msg := encode(8, 0, bytes.Repeat([]byte("frame"), 50_000))
	stream := func(opts ...zstd.EOption) []byte {
		var buf bytes.Buffer
		w, err := zstd.NewWriter(&buf, opts...)
		if err != nil {
			t.Fatal(err)
		}
		half := len(msg) / 2
		for _, part := range [][]byte{msg[:half], msg[half:]} {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	sizeless := stream()
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, sizeless...)
	for _, test := range []struct {
		name string
		size int
		data []byte
		ok   bool
	}{
		{"a stream without a size", len(msg), sizeless, true},
		{"a stream with a checksum", len(msg), stream(zstd.WithEncoderCRC(true)), true},
		{"a skippable frame before it", len(msg), skippable, true},
		{"a size one too small", len(msg) - 1, sizeless, false},
		{"a size one too large", len(msg) + 1, sizeless, false},
		{"two frames in one", len(msg), slices.Concat(sizeless, sizeless), false},
		{"a byte behind it", len(msg), slices.Concat(sizeless, []byte{0}), false},
		{"cut short", len(msg), sizeless[:len(sizeless)-1], false},
		{"a window of 64 MiB", len(msg), stream(zstd.WithWindowSize(64 << 20)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := wire.Unpack(encode(9, test.size, test.data), 1<<20)
			if (err == nil) != test.ok || test.ok && !bytes.Equal(got, msg) {
				t.Errorf("unpacked %d bytes of %d, error %v", len(got), len(msg), err)
			}
			if err != nil {
				checkError(t, err)
			}
		})
	}
}

func TestUnpackLimit(t *testing.T) {
	data := packedZeros(1000) // of 1,006 bytes
	for _, test := range []struct {
		limit int
		want  wire.CloseCode
	}{{1005, wire.CloseTooLarge}, {len(data) - 1, wire.CloseTooLarge}, {1006, 0}} {
		_, err := wire.Unpack(data, test.limit)
		if test.want == 0 && err != nil || test.want != 0 && wire.AsError(err).Code != test.want {
			t.Errorf("with a limit of %d: %v", test.limit, err)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	msg := wire.AppendBlock(nil, 1, []int{0, 1, 2, 3, 4}, nil, benchGrid(2000, true), nil)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = wire.Pack(buf[:0], msg)
	}
	b.SetBytes(int64(len(msg)))
	b.ReportMetric(float64(len(msg))/float64(len(buf)), "size-ratio")
}

package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// childRole names, in the environment, what the test binary is to do in place
// of tests; childPath the database, childSeed what is random.
const (
	childRole = "FRAMEHUB_STORE_TEST_CHILD"
	childPath = "FRAMEHUB_STORE_TEST_PATH"
	childSeed = "FRAMEHUB_STORE_TEST_SEED"
)

func child(role string) int {
	switch role {
	case "commit":
		return childCommit()
	case "limit":
		return childLimit()
	case "open":
		return childOpen()
	case "mvsim":
		return childMvsim()
	default:
		return 64 // EX_USAGE
	}
}

// A childTB is what helpers need of a test in a process without one.
type childTB struct{ testing.TB }

func (childTB) Helper() {}

func (childTB) Context() context.Context { return context.Background() }

func (childTB) Fatal(args ...any) {
	_, _ = fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

func (c childTB) Fatalf(format string, args ...any) { c.Fatal(fmt.Sprintf(format, args...)) }

// childCommit commits frames at full speed until it is killed, and tells each
// version, with a hash of its entry, once it is durable.
func childCommit() int {
	seed, err := strconv.ParseUint(os.Getenv(childSeed), 10, 64)
	if err != nil {
		return 64
	}
	d := &testDB{TB: childTB{}, opts: killOptions(os.Getenv(childPath)), seq: map[store.Device]uint64{}}
	d.open()
	for _, dev := range []store.Device{alice, bob, carol} {
		state, _, err := d.Device(dev)
		if err != nil {
			d.Fatal(err)
		}
		d.seq[dev] = state.Settled
	}
	d.now = epochStart.Add(time.Duration(d.Version()) * frameTime)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = d.Run(ctx) }()
	p := &propertyRun{testDB: d, random: random{rand.New(rand.NewPCG(seed, 3))}}
	d.apply = func(f *store.Frame, tx written) (*wire.Refusal, error) {
		fresh := store.Device{'f'}
		binary.LittleEndian.PutUint64(fresh[8:], p.random.Uint64())
		if _, err := f.Own(fresh, fmt.Sprintf("%x", fresh)); err != nil {
			return nil, err
		}
		return f.Apply(tx.dev, tx.w, nil)
	}
	for {
		txs := make([]written, 1+p.random.IntN(4))
		for i := range txs {
			txs[i], _ = p.transaction()
		}
		e, _ := d.commit(txs...)
		if _, err := fmt.Fprintf(os.Stdout, "%d %d %x\n", e.Version, d.seq[alice], hashOf(e)); err != nil {
			return 1
		}
		if _, err := d.Merge(d.now, p.random.IntN(8) == 0); err != nil {
			d.Fatal(err)
		}
	}
}

func killOptions(path string) store.Options {
	return store.Options{Path: path, Schema: propertySchema, Log: quiet, DeviceAge: ages, Scopes: map[string]string{"plain": "n", "pair": "k"}}
}

// hashOf hashes all that an entry says.
func hashOf(e *store.Entry) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, e.Version, e.Time, e.Writers, e.Refused, e.Owners)
	for _, c := range e.Tables {
		_, _ = fmt.Fprintln(h, c.Table.ID, c.Rows, literals(c.Images.Values), c.Also)
	}
	return h.Sum64()
}

package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"framehub/store"
)

// TestKill kills a process that commits frames, with SIGKILL at a random moment,
// over and over: what it has told must be there, and the tables must be what the
// log's entries fold to.
func TestKill(t *testing.T) { testKill(t, 10, 0) }

// TestSoakKill does so 200 times at least, and for FRAMEHUB_SOAK.
func TestSoakKill(t *testing.T) { testKill(t, 200, soakTime(t)) }

func testKill(t *testing.T, rounds int, lasting time.Duration) {
	t.Helper()
	d := openDB(t, propertySchema, func(o *store.Options) { *o = killOptions(o.Path) })
	k := &killRun{newModel(d), d.Version(), random{rand.New(rand.NewPCG(seedOf(rand.Uint64()), 4))}, 0}
	until := time.Now().Add(lasting)
	round := 0
	for ; round < rounds || time.Now().Before(until); round++ {
		if k.round(round); t.Failed() {
			break
		}
	}
	t.Logf("killed %d times, %d versions, %d of them told", round, d.Version(), k.told)
}

type killRun struct {
	*model
	folded uint64 // the version that the model has
	random random
	told   int
}

func (k *killRun) round(round int) {
	k.Helper()
	k.close()
	told := k.runChild(1 + k.random.IntN(150))
	k.told += len(told)
	k.open()
	var seq uint64
	for _, v := range told {
		e, err := k.Entry(v.version)
		if err != nil {
			k.Fatalf("round %d: version %d of %d was told, but %v", round, v.version, k.Version(), err)
		}
		if hashOf(e) != v.hash {
			k.Errorf("round %d: version %d has another entry than was told", round, v.version)
		}
		for _, o := range e.Owners {
			k.wantOwner(fmt.Sprint("round ", round), o.Device, fmt.Sprintf("%x", o.Device))
		}
		seq = max(seq, v.seq)
	}
	if state, _, err := k.Device(alice); err != nil || state.Settled < seq {
		k.Errorf("round %d: settled up to %d, told up to %d (%v)", round, state.Settled, seq, err)
	}
	for k.folded < k.Version() {
		k.folded++
		e, err := k.Entry(k.folded)
		if err != nil {
			k.Fatal(err)
		}
		k.apply(e)
	}
	k.check(fmt.Sprint("round ", round))
	checkFile(k, k.opts.Path)
}

type toldVersion struct{ version, seq, hash uint64 }

// runChild lets a process commit until it has told n versions, kills it, and
// returns what it told.
func (k *killRun) runChild(n int) (told []toldVersion) {
	k.Helper()
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"=commit", childPath+"="+k.opts.Path, fmt.Sprint(childSeed, "=", k.random.Uint64()))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var v toldVersion
		if _, err := fmt.Sscanf(lines.Text(), "%d %d %x", &v.version, &v.seq, &v.hash); err != nil {
			break // cut off in the middle
		}
		if told = append(told, v); len(told) == n {
			_ = cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err == nil || len(told) < n {
		k.Fatalf("the child ended by itself after %d of %d versions: %v", len(told), n, err)
	}
	return told
}

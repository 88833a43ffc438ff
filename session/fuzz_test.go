package session_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"framehub/session"
	"framehub/session/wire"
)

// vectors returns the messages of hubs among the protocol's test vectors.
func vectors(tb testing.TB) (messages [][]byte) {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("wire", "testdata", "messages.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var all []struct {
		Direction, Hex string
	}
	if err := json.Unmarshal(text, &all); err != nil {
		tb.Fatal(err)
	}
	for _, v := range all {
		msg, err := hex.DecodeString(v.Hex)
		if err != nil {
			tb.Fatal(err)
		}
		if v.Direction == "hub" {
			messages = append(messages, msg)
		}
	}
	return messages
}

// join puts messages behind each other, each after its length.
func join(messages ...[]byte) (all []byte) {
	for _, m := range messages {
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(m))), m...)
	}
	return all
}

func split(all []byte) (messages [][]byte) {
	for len(all) >= 2 {
		n := min(int(binary.BigEndian.Uint16(all)), len(all)-2)
		messages, all = append(messages, all[2:2+n]), all[2+n:]
	}
	return messages
}

// FuzzReplica feeds whatever a hub may send to a replica, which may complain but
// must not panic, and whose rows must always be found by their keys.
func FuzzReplica(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(join(v), true)
	}
	f.Add(join(vectors(f)...), false)
	snapshot := &wire.Snapshot{Version: 10, Blocks: blocks(entities(values(1, 1, 0.5, "one"), values(2, 2, nil, nil)))}
	f.Add(join(
		snapshot.Append(nil), (&wire.SnapshotEnd{Version: 10}).Append(nil),
		frame(11, 10, blocks(block(entity, []int{0, 2}, values(1, 2.5))), blocks(ids(2))).Append(nil),
		testSchema().Append(nil), frame(12, 11, blocks(entities(values(3, 1, nil, nil))), blocks(ids(1))).Append(nil),
	), true)
	f.Fuzz(func(t *testing.T, data []byte, strict bool) {
		r := session.NewReplica(session.ReplicaOptions{Strict: strict, OnRows: func(rows session.Rows) {
			for _, row := range rows.Changed {
				_ = row.Key()
			}
		}})
		if err := r.Hello(saying(whole("entity"), scoped(1, 2)), hello(10)); err != nil {
			t.Fatal(err)
		}
		r.Subscribing(&wire.Subscribe{ID: 1, Add: []wire.Sub{whole("pair")}, Remove: []wire.Sub{whole("entity")}})
		for _, msg := range split(data) {
			if h, err := wire.DecodeHubHello(msg, wire.Limits{}); err == nil {
				_ = r.Hello(saying(copySubs(r)...), &h)
				continue
			}
			if m, err := session.DecodeMessage(msg, 1<<16); err == nil {
				_ = r.Take(m)
			}
		}
		checkKeys(t, r)
	})
}

func checkKeys(t *testing.T, r *session.Replica) {
	t.Helper()
	r.View(func(c *session.Copy) {
		for _, table := range c.Tables {
			for row := range table.Rows() {
				if found, ok := table.Get(row.Key()...); !ok || &found.Values[0] != &row.Values[0] {
					t.Errorf("table %s: the row %v is not found by its key", table.Name, row.Values)
				}
			}
		}
	})
}

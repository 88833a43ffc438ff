package session_test

import (
	"errors"
	"strings"
	"testing"

	"framehub/session"
	"framehub/session/wire"
)

// breaches are what a hub must not send to a replica as started returns it.
var breaches = []struct {
	name     string
	messages []session.Message
	want     string
}{
	{"version back", []session.Message{frame(12, 10, nil, nil), frame(11, 10, nil, nil)}, "came after version 12"},
	{"a part for a key that is not there", []session.Message{frame(11, 10, blocks(block(entity, []int{0, 2}, values(9, 1.0))), nil)}, "is not there"},
	{"key twice", []session.Message{frame(11, 10, blocks(entities(values(1, 1, nil, nil), values(1, 1, nil, nil))), nil)}, "twice in a block"},
	{"removed what is not there", []session.Message{frame(11, 10, nil, blocks(ids(9)))}, "is not there"},
	{"unknown table", []session.Message{frame(11, 10, blocks(block(77, []int{0}, values(1))), nil)}, "the schema does not have"},
	{"unknown column", []session.Message{frame(11, 10, blocks(block(entity, []int{0, 7}, values(1, 1))), nil)}, "columns"},
	{"key columns not first", []session.Message{frame(11, 10, blocks(block(entity, []int{1, 0}, values(1, 1))), nil)}, "columns"},
	{"removed with columns", []session.Message{frame(11, 10, nil, blocks(entities(values(1, 1, nil, nil))))}, "more than their keys"},
	{"table not subscribed", []session.Message{frame(11, 10, blocks(block(pair, wholePair, values("a", 1, nil))), nil)}, "no subscription covers"},
	{"twice", []session.Message{frame(11, 10, nil, nil), frame(11, 10, blocks(entities(values(1, 1, nil, nil))), nil)}, "has it"},
	{"complete out of range", []session.Message{&wire.Frame{Version: 11, Previous: 10, Complete: []int{1}}}, "subscription 1"},
	{"parts of two frames", []session.Message{&wire.Frame{Version: 11, Previous: 10, More: true}, frame(12, 10, nil, nil)}, "more of version 11"},
	{"snapshot nobody asked for", []session.Message{&wire.Snapshot{ID: 5, Version: 11}}, "not asked for"},
	{"snapshot of two versions", []session.Message{&wire.Snapshot{Version: 11, Blocks: blocks(entities(values(1, 1, nil, nil)))}, &wire.Snapshot{Version: 12}}, "then of 12"},
	{"snapshot ends elsewhere", []session.Message{&wire.Snapshot{Version: 11, Blocks: blocks(entities(values(1, 1, nil, nil)))}, &wire.SnapshotEnd{Version: 12}}, "ends at 12"},
	{"snapshot of parts", []session.Message{&wire.Snapshot{Version: 11, Blocks: blocks(ids(1))}}, "1 columns of 4"},
	{"snapshot with a key twice", []session.Message{&wire.Snapshot{Version: 11, Blocks: blocks(entities(values(1, 1, nil, nil)), entities(values(1, 1, nil, nil)))}, &wire.SnapshotEnd{Version: 11}}, "twice"},
	{"snapshot of more", []session.Message{&wire.Snapshot{Version: 11, Blocks: blocks(block(pair, wholePair, values("a", 1, nil)))}, &wire.SnapshotEnd{Version: 11}}, "not asked for"},
	{"frame during a snapshot", []session.Message{&wire.Snapshot{Version: 11}, &wire.Frame{Version: 11, Previous: 10, Changed: blocks(entities(values(1, 1, nil, nil)))}}, "has it"},
	{"complete during a snapshot", []session.Message{&wire.Snapshot{Version: 11}, frame(11, 10, nil, nil)}, "still to come"},
	{"schema in a frame", []session.Message{&wire.Frame{Version: 11, Previous: 10, More: true}, testSchema()}, "in the middle of a frame"},
	{"schema without a key", []session.Message{&wire.Schema{Version: 2, Tables: []wire.SchemaTable{{Name: "t", Scope: -1}}}}, "has no key"},
}

func TestReplicaBreaches(t *testing.T) {
	for _, test := range breaches {
		t.Run(test.name, func(t *testing.T) {
			r := started(t, session.ReplicaOptions{})
			var err error
			for _, m := range test.messages {
				if err = errors.Join(err, r.Take(m)); err != nil {
					break
				}
			}
			if _, ok := errors.AsType[*session.BreachError](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want a breach with %q", err, test.want)
			}
		})
	}
}

func TestReplicaCountsBreaches(t *testing.T) {
	for _, test := range breaches {
		t.Run(test.name, func(t *testing.T) {
			r := session.NewReplica(session.ReplicaOptions{OnRows: func(session.Rows) {}})
			if err := r.Hello(saying(whole("entity")), hello(10)); err != nil {
				t.Fatal(err)
			}
			feed(t, r, &wire.Snapshot{Version: 10, Blocks: blocks(entities(values(1, 1, 0.5, "one")))}, &wire.SnapshotEnd{Version: 10})
			for _, m := range test.messages {
				if err := r.Take(m); err != nil && test.want != "has no key" {
					t.Fatal(err)
				}
			}
			if r.Breaches() == 0 && test.want != "has no key" {
				t.Error("not counted")
			}
		})
	}
}

func TestReplicaFrameInAnotherScope(t *testing.T) {
	r := started(t, session.ReplicaOptions{}, scoped(1))
	err := r.Frame(frame(11, 10, blocks(block(entity, []int{0, 1}, values(1, 2))), nil))
	if _, ok := errors.AsType[*session.BreachError](err); !ok {
		t.Errorf("%v, want a breach: the row has left the scope", err)
	}
}

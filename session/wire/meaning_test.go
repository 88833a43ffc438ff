package wire_test

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"framehub/session/wire"
)

// A tree is JSON in the making: what a message means, in the words of
// testdata/README.md.
type (
	tree = map[string]any
	list = []any
)

// meaning puts a decoded message into words that every language reads.
func meaning(m message) any {
	switch m := m.(type) {
	case *wire.DeviceHello:
		return deviceHelloMeaning(m)
	case *wire.HubHello:
		return hubHelloMeaning(m)
	case *wire.Schema:
		return schemaMeaning(m)
	case *wire.Snapshot:
		return tree{"id": m.ID, "version": m.Version, "blocks": each(m.Blocks, blockMeaning)}
	case *wire.SnapshotEnd:
		if m.Refused != nil {
			return tree{"id": m.ID, "version": nil, "refused": refusedMeaning(m.Refused)}
		}
		return tree{"id": m.ID, "version": m.Version, "refused": nil}
	case *wire.Frame:
		return frameMeaning(m)
	case *wire.Write:
		return tree{
			"seq": m.Seq, "base": maybe(m.Base, m.BaseSet), "schema_version": m.SchemaVersion, "ops": each(m.Ops, opMeaning),
		}
	case *wire.Settled:
		return tree{"version": m.Version, "committed": each(m.Committed, same), "rejected": each(m.Rejected, rejectedMeaning)}
	case *wire.Subscribe:
		return tree{"id": m.ID, "add": each(m.Add, subMeaning), "remove": each(m.Remove, subMeaning)}
	default:
		return smallMeaning(m)
	}
}

func smallMeaning(m message) any {
	switch m := m.(type) {
	case *wire.Clock:
		if !m.Answer {
			return tree{"echo": valueMeaning(m.Echo)}
		}
		return tree{"echo": valueMeaning(m.Echo), "time": micros(m.Time), "version": m.Version}
	case *wire.Tick:
		return tickMeaning(m)
	case *wire.Holder:
		return tree{"n": nil, "holder": maybeHex(m.Device)}
	case *wire.Goodbye:
		return tree{"code": m.Code, "text": m.Text, "retry_ms": maybe(uint64(m.Retry.Milliseconds()), m.RetrySet)}
	case *wire.ReadPiece:
		return tree{"id": m.ID, "table": m.Table, "key": each(m.Key, valueMeaning), "column": m.Column, "offset": m.Offset}
	case *wire.Piece:
		if m.Refused != nil {
			return tree{"id": m.ID, "version": nil, "size": nil, "data": nil, "refused": refusedMeaning(m.Refused)}
		}
		return tree{"id": m.ID, "version": m.Version, "size": m.Size, "data": hex.EncodeToString(m.Data), "refused": nil}
	case *wire.Will:
		out := tree{"id": m.ID, "schema_version": m.SchemaVersion, "ops": nil}
		if m.Set {
			out["ops"] = each(m.Ops, opMeaning)
		}
		return out
	case *wire.WillAnswer:
		if m.Refused != nil {
			return tree{"id": m.ID, "version": nil, "refused": refusedMeaning(m.Refused)}
		}
		return tree{"id": m.ID, "version": m.Version, "refused": nil}
	case *wire.SendEvent:
		return tree{"to": targetMeaning(&m.To), "name": m.Name, "value": payloadMeaning(m.Value)}
	case *wire.Event:
		if m.Refused != nil {
			return tree{"from": nil, "version": nil, "name": maybeText(m.Name), "value": nil, "refused": refusedMeaning(m.Refused)}
		}
		return tree{"from": maybeHex(m.From), "version": m.Version, "name": m.Name, "value": payloadMeaning(m.Value), "refused": nil}
	case *wire.SQL:
		return tree{"id": m.ID, "sql": m.Text, "params": each(m.Params, valueMeaning)}
	case *wire.SQLAnswer:
		if m.Refused != nil {
			return tree{"id": m.ID, "version": nil, "columns": nil, "rows": nil, "refused": refusedMeaning(m.Refused)}
		}
		rows := list{}
		for i := range m.Rows.Rows() {
			rows = append(rows, each(m.Rows.Row(i), valueMeaning))
		}
		return tree{"id": m.ID, "version": m.Version, "columns": each(m.Columns, func(s string) any { return s }), "rows": rows, "refused": nil}
	case *packed:
		return tree{"size": len(m.inner), "unpacked": hex.EncodeToString(m.inner)}
	default:
		panic(fmt.Sprintf("no meaning for %T", m))
	}
}

func tickMeaning(t *wire.Tick) any {
	switch {
	case !t.Answer:
		return tree{"n": t.N}
	case t.Refused != nil:
		return tree{"n": t.N, "version": nil, "refused": refusedMeaning(t.Refused)}
	default:
		return tree{"n": t.N, "version": t.Version, "refused": nil}
	}
}

func deviceHelloMeaning(h *wire.DeviceHello) any {
	m := tree{
		"token": h.Token, "device": maybeHex(h.Device), "epoch": maybeHex(h.Epoch), "subs": nil, "zstd": h.Zstd,
		"max_message": h.MaxMessage, "budget": h.Budget, "role": h.Role, "client": h.Client,
	}
	if h.SubsSet {
		m["subs"] = each(h.Subs, subMeaning)
	}
	return m
}

func hubHelloMeaning(h *wire.HubHello) any {
	return tree{
		"session": maybeHex(h.Session), "device": maybeHex(h.Device), "epoch": maybeHex(h.Epoch), "version": h.Version,
		"settled": maybe(h.Settled, h.SettledKnown), "rejected": each(h.Rejected, rejectedMeaning), "resumed": h.Resumed,
		"schema": schemaMeaning(h.Schema), "capabilities": each(h.Capabilities, same),
		"limits": tree{
			"message": h.Limits.Message, "rows": h.Limits.Rows, "unsettled": h.Limits.Unsettled, "rate": h.Limits.Rate,
		},
		"frame_hz": h.FrameHz, "time": micros(h.Time),
	}
}

func schemaMeaning(s *wire.Schema) any {
	return tree{"version": s.Version, "tables": each(s.Tables, func(t wire.SchemaTable) any {
		return tree{
			"number": t.Number, "name": t.Name, "key_length": t.KeyLength, "scope": maybe(uint64(max(0, t.Scope)), t.Scope >= 0),
			"columns": each(t.Columns, func(c wire.SchemaColumn) any {
				return tree{"name": c.Name, "type": c.Type, "flags": c.Flags}
			}),
			"rights": t.Rights, "class": t.Class,
		}
	})}
}

func frameMeaning(f *wire.Frame) any {
	m := tree{
		"version": f.Version, "previous": f.Previous, "time": micros(f.Time), "more": f.More, "complete": nil,
		"changed": each(f.Changed, blockMeaning), "removed": each(f.Removed, blockMeaning),
		"authors": each(f.Authors, authorMeaning),
	}
	if !f.All {
		m["complete"] = each(f.Complete, same)
	}
	return m
}

func authorMeaning(a wire.Author) any {
	keys := list{}
	for i := range a.Keys.Rows() {
		keys = append(keys, each(a.Keys.Row(i), valueMeaning))
	}
	return tree{"device": hex.EncodeToString(a.Device), "seq": a.Seq, "table": a.Table, "keys": keys}
}

func opMeaning(op wire.Op) any { return tree{"op": op.Kind, "block": blockMeaning(op.Block)} }

func subMeaning(s wire.Sub) any {
	m := tree{"table": s.Table, "scopes": nil, "hz": nil, "since": maybe(s.Since, s.SinceSet)}
	if s.Name != "" {
		m["table"] = s.Name
	}
	if s.Scoped {
		m["scopes"] = each(s.Scopes, valueMeaning)
	}
	if s.Hz != 0 {
		m["hz"] = s.Hz
	}
	return m
}

func rejectedMeaning(r wire.Rejected) any {
	return tree{
		"seq": r.Seq, "code": r.Code, "text": r.Text,
		"op": maybe(uint64(max(0, r.Op)), r.Op >= 0), "row": maybe(uint64(max(0, r.Row)), r.Row >= 0),
	}
}

func refusedMeaning(r *wire.Refusal) any { return tree{"code": r.Code, "text": r.Text} }

func targetMeaning(t *wire.Target) any {
	switch {
	case t.Device != nil:
		return tree{"device": maybeHex(t.Device)}
	case t.Role != "":
		return tree{"role": t.Role}
	case t.Table != "":
		return tree{"table": t.Table, "scope": valueMeaning(t.Scope)}
	default:
		return tree{"table": t.Number, "scope": valueMeaning(t.Scope)}
	}
}

func payloadMeaning(p wire.Payload) any {
	switch {
	case p.List:
		return tree{"list": each(p.Values, valueMeaning)}
	case len(p.Values) == 0:
		return valueMeaning(wire.Value{})
	default:
		return valueMeaning(p.Values[0])
	}
}

func blockMeaning(b wire.Block) any {
	rows := list{}
	for i := range b.N {
		rows = append(rows, each(b.Row(nil, i), valueMeaning))
	}
	return tree{"table": b.Table, "columns": each(b.Columns, same), "rows": rows}
}

func valueMeaning(v wire.Value) any {
	switch v.Kind() {
	case wire.Integer:
		return list{"INTEGER", strconv.FormatInt(v.Int64(), 10)}
	case wire.Real:
		return list{"REAL", realText(v.Float64())}
	case wire.Text:
		return list{"TEXT", v.Bytes()}
	case wire.Blob:
		return list{"BLOB", hex.EncodeToString([]byte(v.Bytes()))}
	default:
		return list{v.Kind().String()}
	}
}

func realText(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func each[T any](all []T, do func(T) any) any {
	out := list{}
	for _, one := range all {
		out = append(out, do(one))
	}
	return out
}

func same[T any](v T) any { return v }

func maybe(v uint64, ok bool) any {
	if !ok {
		return nil
	}
	return v
}

func maybeText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func maybeHex(b []byte) any {
	if b == nil {
		return nil
	}
	return hex.EncodeToString(b)
}

func micros(t time.Time) int64 { return t.UnixMicro() }

package wire_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// This file reads the vectors a second time, with somebody else's CBOR and no
// line of the package under test: the layouts of docs/protocol.md as a table,
// over a generic decoder.

// A layout names a message's elements after its type, each with how it reads.
type layout []struct {
	name string
	read func(any) any
}

var layouts = map[string]map[wire.Type]layout{
	fromDevice: {
		wire.TypeHello:     {{"", readDeviceHello}},
		wire.TypeWrite:     {{"seq", plain}, {"base", plain}, {"schema_version", plain}, {"ops", listOf(readOp)}},
		wire.TypeTick:      {{"n", plain}},
		wire.TypeClock:     {{"echo", readValue}},
		wire.TypeSubscribe: {{"id", plain}, {"add", listOf(readSub)}, {"remove", listOf(readSub)}},
		wire.TypeSQL:       {{"id", plain}, {"sql", plain}, {"params", listOf(readValue)}},
		wire.TypeGoodbye:   {{"code", plain}, {"text", plain}, {"retry_ms", plain}},
		wire.TypeReadPiece: {{"id", plain}, {"table", plain}, {"key", readKey}, {"column", plain}, {"offset", plain}},
		wire.TypeWill:      {{"id", plain}, {"schema_version", plain}, {"ops", maybeListOf(readOp)}},
		wire.TypeEvent:     {{"to", readTarget}, {"name", plain}, {"value", readPayload}},
	},
	fromHub: {
		wire.TypeHello:       {{"", readHubHello}},
		wire.TypeSchema:      {{"", readSchema}},
		wire.TypeSnapshotEnd: {{"id", plain}, {"version", plain}},
		wire.TypeFrame: {
			{"version", plain}, {"previous", plain}, {"time", plain},
			{"changed", listOf(readBlock)}, {"removed", listOf(readBlock)}, {"more", orElse(false)}, {"complete", plain},
			{"authors", listOf(readAuthor)},
		},
		wire.TypeTick:      {{"n", plain}, {"version", plain}},
		wire.TypeSettled:   {{"version", plain}, {"committed", listOf(plain)}, {"rejected", listOf(readRejected)}},
		wire.TypeClock:     {{"echo", readValue}, {"time", plain}, {"version", plain}},
		wire.TypeGoodbye:   {{"code", plain}, {"text", plain}, {"retry_ms", plain}},
		wire.TypeReadPiece: {{"id", plain}, {"version", plain}, {"size", plain}, {"data", octets}},
		wire.TypeSQL:       {{"id", plain}, {"version", plain}, {"columns", listOf(plain)}, {"rows", listOf(listOf(readValue))}},
		wire.TypeWill:      {{"id", plain}, {"version", plain}},
		wire.TypeEvent:     {{"from", octets}, {"version", plain}, {"name", plain}, {"value", readPayload}},
	},
}

// generic decodes like any CBOR library: arrays, maps, tags, numbers.
var generic = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		IndefLength: cbor.IndefLengthForbidden, DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 32,
		MaxArrayElements: math.MaxInt32,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// readMessage returns the meaning of a message without the package under test,
// but for undefined, which this library reads as null.
func readMessage(from string, msg []byte) (any, error) {
	var all list
	if err := generic.Unmarshal(msg, &all); err != nil {
		return nil, err
	}
	t, body := wire.Type(all[0].(uint64)), all[1:]
	l := layouts[from][t]
	switch {
	case t == wire.TypePacked:
		return nil, fmt.Errorf("a packed message has no layout")
	case t == wire.TypeSnapshot:
		return tree{"id": body[0], "version": body[1], "blocks": listOf(readBlock)(body[2:])}, nil
	case from == fromHub && t == wire.TypeTick && at(body, 0) == nil:
		return tree{"n": nil, "holder": octets(at(body, 1))}, nil
	case from == fromHub && (t == wire.TypeSnapshotEnd || t == wire.TypeReadPiece || t == wire.TypeTick || t == wire.TypeWill || t == wire.TypeSQL):
		return l.readAnswer(body), nil
	case from == fromHub && t == wire.TypeEvent:
		return l.readEvent(body), nil
	default:
		return l.read(body), nil
	}
}

func (l layout) read(body list) any {
	m := tree{}
	for i, field := range l {
		var item any
		if i < len(body) {
			item = body[i]
		}
		if field.name == "" { // the whole message
			return field.read(item)
		}
		m[field.name] = field.read(item)
	}
	return m
}

// readAnswer reads what has a version, or is [id, null, code, text].
func (l layout) readAnswer(body list) any {
	if body[1] != nil {
		m := l.read(body).(tree)
		m["refused"] = nil
		return m
	}
	m := tree{"refused": tree{"code": body[2], "text": body[3]}}
	for _, field := range l {
		m[field.name] = nil
	}
	m[l[0].name] = body[0]
	return m
}

// readEvent reads an event, or [null, null, code, text, name].
func (l layout) readEvent(body list) any {
	m := tree{"from": nil, "version": nil, "name": at(body, 4), "value": nil, "refused": nil}
	if body[0] == nil {
		m["refused"] = tree{"code": body[2], "text": body[3]}
		return m
	}
	m = l.read(body).(tree)
	m["refused"] = nil
	return m
}

func plain(v any) any { return v }

func orElse(zero any) func(any) any {
	return func(v any) any {
		if v == nil {
			return zero
		}
		return v
	}
}

func listOf(read func(any) any) func(any) any {
	return func(v any) any {
		all, _ := v.(list)
		return each(all, read)
	}
}

func maybeListOf(read func(any) any) func(any) any {
	return func(v any) any {
		if v == nil {
			return nil
		}
		return listOf(read)(v)
	}
}

func at(v any, i int) any {
	if all := v.(list); i < len(all) {
		return all[i]
	}
	return nil
}

func octets(v any) any {
	if b, ok := v.([]byte); ok && len(b) > 0 {
		return hex.EncodeToString(b)
	}
	return nil
}

func readOp(v any) any { return tree{"op": at(v, 0), "block": readBlock(at(v, 1))} }

func readSub(v any) any {
	m := tree{"table": at(v, 0), "scopes": nil, "hz": at(v, 2), "since": at(v, 3)}
	if scopes, ok := at(v, 1).(list); ok {
		m["scopes"] = each(scopes, readValue)
	}
	return m
}

func readRejected(v any) any {
	return tree{"seq": at(v, 0), "code": at(v, 1), "text": at(v, 2), "op": at(v, 3), "row": at(v, 4)}
}

func readKey(v any) any {
	if all, ok := v.(list); ok {
		return each(all, readValue)
	}
	return list{readValue(v)}
}

func readAuthor(v any) any {
	keys := list{}
	if tag, ok := at(v, 3).(cbor.Tag); ok {
		for _, key := range readColumn(tag) {
			keys = append(keys, list{key})
		}
	} else {
		keys = each(at(v, 3).(list), readKey).(list)
	}
	return tree{"device": octets(at(v, 0)), "seq": at(v, 1), "table": at(v, 2), "keys": keys}
}

func readTarget(v any) any {
	switch to := v.(type) {
	case []byte:
		return tree{"device": octets(to)}
	case string:
		return tree{"role": to}
	default:
		return tree{"table": at(v, 0), "scope": readValue(at(v, 1))}
	}
}

func readPayload(v any) any {
	if all, ok := v.(list); ok {
		return tree{"list": each(all, readValue)}
	}
	return readValue(v)
}

func readDeviceHello(v any) any {
	m := v.(map[any]any)
	h := tree{
		"token": orElse("")(m["token"]), "device": octets(m["device"]), "epoch": octets(m["epoch"]), "subs": nil,
		"zstd": orElse(false)(m["zstd"]), "max_message": orElse(0)(m["max_message"]), "budget": orElse(0)(m["budget"]),
		"role": orElse("")(m["role"]), "client": orElse("")(m["client"]),
	}
	if subs, ok := m["subs"].(list); ok {
		h["subs"] = each(subs, readSub)
	}
	return h
}

func readHubHello(v any) any {
	m := v.(map[any]any)
	limits := tree{}
	for name, limit := range m["limits"].(map[any]any) {
		limits[name.(string)] = limit
	}
	return tree{
		"session": octets(m["session"]), "device": octets(m["device"]), "epoch": octets(m["epoch"]),
		"version": m["version"], "settled": m["settled"], "rejected": listOf(readRejected)(m["rejected"]),
		"resumed": m["resumed"], "schema": readSchema(m["schema"]), "limits": limits,
		"capabilities": listOf(plain)(m["capabilities"]), "frame_hz": m["frame_hz"], "time": m["time"],
	}
}

func readSchema(v any) any {
	return tree{"version": at(v, 0), "tables": listOf(func(v any) any {
		return tree{
			"number": at(v, 0), "name": at(v, 1), "key_length": at(v, 2), "scope": at(v, 3),
			"columns": listOf(func(v any) any {
				return tree{"name": at(v, 0), "type": at(v, 1), "flags": orElse(0)(at(v, 2))}
			})(at(v, 4)),
			"rights": at(v, 5), "class": at(v, 6),
		}
	})(at(v, 1))}
}

func readBlock(v any) any {
	n := int(at(v, 2).(uint64))
	numbers := at(v, 1).(list)
	rows := make(list, n)
	for i := range rows {
		row := list{}
		for col := range numbers {
			row = append(row, readColumn(at(v, 3+col))[i])
		}
		rows[i] = row
	}
	return tree{"table": at(v, 0), "columns": numbers, "rows": rows}
}

// readColumn reads a typed or a plain array (RFC 8746, section 2.1).
func readColumn(v any) list {
	tag, ok := v.(cbor.Tag)
	if !ok {
		return each(v.(list), readValue).(list)
	}
	raw, order := tag.Content.([]byte), binary.LittleEndian
	elements := map[uint64]struct {
		size int
		read func([]byte) any
	}{
		64: {1, func(b []byte) any { return int64(b[0]) }},
		69: {2, func(b []byte) any { return int64(order.Uint16(b)) }},
		70: {4, func(b []byte) any { return int64(order.Uint32(b)) }},
		72: {1, func(b []byte) any { return int64(int8(b[0])) }},
		77: {2, func(b []byte) any { return int64(int16(order.Uint16(b))) }},
		78: {4, func(b []byte) any { return int64(int32(order.Uint32(b))) }},
		79: {8, func(b []byte) any { return int64(order.Uint64(b)) }},
		85: {4, func(b []byte) any { return float64(math.Float32frombits(order.Uint32(b))) }},
		86: {8, func(b []byte) any { return math.Float64frombits(order.Uint64(b)) }},
	}[tag.Number]
	values := list{}
	for ; len(raw) > 0; raw = raw[elements.size:] {
		values = append(values, readValue(elements.read(raw)))
	}
	return values
}

func readValue(v any) any {
	switch v := v.(type) {
	case uint64:
		return list{"INTEGER", strconv.FormatUint(v, 10)}
	case int64:
		return list{"INTEGER", strconv.FormatInt(v, 10)}
	case float64:
		return list{"REAL", realText(v)}
	case string:
		return list{"TEXT", v}
	case []byte:
		return list{"BLOB", hex.EncodeToString(v)}
	default:
		return list{"NULL"}
	}
}

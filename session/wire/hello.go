package wire

import (
	"errors"
	"math"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// UUIDSize is the length of a device's identity.
const UUIDSize = 16

// deviceOptions is the map of a device's hello. What is absent or null is zero.
type deviceOptions struct {
	Token      string           `cbor:"token"`
	Device     *cbor.ByteString `cbor:"device"` // not []byte, which takes arrays too
	Epoch      cbor.ByteString  `cbor:"epoch"`
	Subs       cbor.RawMessage  `cbor:"subs"`
	Zstd       bool             `cbor:"zstd"`
	MaxMessage uint64           `cbor:"max_message"`
	Budget     uint64           `cbor:"budget"`
	Role       string           `cbor:"role"`
	Client     string           `cbor:"client"`
}

// hubOptions is the map of a hub's hello.
type hubOptions struct {
	Session      cbor.ByteString `cbor:"session"`
	Device       cbor.ByteString `cbor:"device"`
	Epoch        cbor.ByteString `cbor:"epoch"`
	Version      uint64          `cbor:"version"`
	Settled      *uint64         `cbor:"settled"`
	Rejected     cbor.RawMessage `cbor:"rejected"`
	Resumed      bool            `cbor:"resumed"`
	Schema       cbor.RawMessage `cbor:"schema"`
	Limits       hubLimits       `cbor:"limits"`
	Capabilities []string        `cbor:"capabilities"`
	FrameHz      float64         `cbor:"frame_hz"`
	Time         uint64          `cbor:"time"`
}

type hubLimits struct {
	Message   uint64 `cbor:"message"`
	Rows      uint64 `cbor:"rows"`
	Unsettled uint64 `cbor:"unsettled"`
	Rate      uint64 `cbor:"rate"`
}

// optionsMode reads the maps of both hellos. An array's length is bounded by
// the message, which is checked before anything is made.
var optionsMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   maxDepth,
		MaxArrayElements:  math.MaxInt32,
		MaxMapPairs:       64,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8RejectInvalid,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		NaN:               cbor.NaNDecodeForbidden,
		Inf:               cbor.InfDecodeForbidden,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// options reads the map of a hello into v.
func (f *fields) options(v any) {
	const what = "the map of hello"
	if !f.need(what) {
		return
	}
	raw, err := f.r.item()
	if err == nil && raw[0]>>5 != majorMap {
		err = protocolErrorf("%s is %s", what, majorName(raw[0]>>5))
	}
	if err == nil {
		err = hellosError(optionsMode.Unmarshal(raw, v))
	}
	f.fail(err)
}

// hellosError puts the decoder's words into ours.
func hellosError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*cbor.UnmarshalTypeError](err); ok {
		name := e.StructFieldName[strings.LastIndexByte(e.StructFieldName, '.')+1:]
		return protocolErrorf("hello: %q is of the wrong type (%s)", name, e.CBORType)
	}
	return protocolErrorf("hello: %s", strings.TrimPrefix(err.Error(), "cbor: "))
}

// raw steps into an item that options left raw; ok is false where it is absent
// or null.
func (f *fields) raw(item []byte) (list fields, ok bool) {
	if f.r.err != nil || len(item) == 0 || item[0] == majorSimple<<5|simpleNull {
		return fields{r: f.r}, false
	}
	return fields{r: &reader{buf: item}, n: 1}, true
}

// DecodeDeviceHello reads a device's first message.
func DecodeDeviceHello(msg []byte, l Limits) (DeviceHello, error) {
	l = l.orDefaults()
	f := open(msg, l, TypeHello)
	var o deviceOptions
	f.options(&o)
	h := DeviceHello{
		Token: o.Token, Epoch: octets(o.Epoch), Zstd: o.Zstd,
		MaxMessage: int(min(o.MaxMessage, math.MaxInt32)), // more is the same as no limit
		Budget:     o.Budget, Role: o.Role, Client: o.Client,
	}
	if o.Device != nil {
		h.Device = octets(*o.Device)
		if len(h.Device) != UUIDSize {
			f.fail(protocolErrorf("hello: a device is a UUID of %d bytes, not %d", UUIDSize, len(h.Device)))
		}
	}
	if list, ok := f.raw(o.Subs); ok {
		h.Subs, h.SubsSet = list.subs("subs", l), true
		f.fail(list.r.err)
	}
	if err := f.close(); err != nil {
		return DeviceHello{}, err
	}
	return h, nil
}

func octets(s cbor.ByteString) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// Append appends the message; what is zero is left out.
func (h *DeviceHello) Append(dst []byte) []byte {
	dst = appendUint(appendArray(dst, 2), uint64(TypeHello))
	m := startMap(dst)
	m.text("token", h.Token)
	m.bytes("device", h.Device)
	m.bytes("epoch", h.Epoch)
	if h.SubsSet {
		m.key("subs")
		m.dst = appendSubs(m.dst, h.Subs)
	}
	if h.Zstd {
		m.key("zstd")
		m.dst = appendBool(m.dst, true)
	}
	m.uint("max_message", uint64(h.MaxMessage))
	m.uint("budget", h.Budget)
	m.text("role", h.Role)
	m.text("client", h.Client)
	return m.dst
}

// A mapWriter appends a map of fewer than 24 pairs and counts them in its head.
type mapWriter struct {
	dst []byte
	at  int // of the head
}

func startMap(dst []byte) *mapWriter {
	return &mapWriter{dst: appendHead(dst, majorMap, 0), at: len(dst)}
}

func (m *mapWriter) key(name string) {
	m.dst[m.at]++
	m.dst = appendText(m.dst, name)
}

// text, bytes and uint leave out what is zero.
func (m *mapWriter) text(name, s string) {
	if s != "" {
		m.key(name)
		m.dst = appendText(m.dst, s)
	}
}

func (m *mapWriter) bytes(name string, b []byte) {
	if len(b) > 0 {
		m.key(name)
		m.dst = appendBytes(m.dst, b)
	}
}

func (m *mapWriter) uint(name string, v uint64) {
	if v != 0 {
		m.key(name)
		m.dst = appendUint(m.dst, v)
	}
}

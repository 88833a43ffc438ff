package wire

import "math"

// DecodeHubHello reads a hub's answer to [DeviceHello].
func DecodeHubHello(msg []byte, l Limits) (HubHello, error) {
	f := open(msg, l.orDefaults(), TypeHello)
	var o hubOptions
	f.options(&o)
	h := HubHello{
		Session: octets(o.Session), Device: octets(o.Device), Epoch: octets(o.Epoch),
		Version: o.Version, SettledKnown: o.Settled != nil, Resumed: o.Resumed,
		Limits: o.Limits.hubLimits(), Capabilities: o.Capabilities,
		FrameHz: o.FrameHz + 0, // a zero has no sign
		Time:    unixMicro(min(o.Time, MaxVersion)),
	}
	if o.Settled != nil {
		h.Settled = *o.Settled
	}
	f.lists(&h, &o)
	f.fail(h.check())
	if err := f.close(); err != nil {
		return HubHello{}, err
	}
	return h, nil
}

// lists reads what options left raw.
func (f *fields) lists(h *HubHello, o *hubOptions) {
	if list, ok := f.raw(o.Rejected); ok {
		h.Rejected = list.rejected()
		f.fail(list.r.err)
	}
	if list, ok := f.raw(o.Schema); ok {
		s := list.schema()
		h.Schema = &s
		f.fail(list.r.err)
	}
}

func (h *HubHello) check() error {
	switch {
	case h.Schema == nil:
		return protocolErrorf("hello: the schema is missing")
	case len(h.Device) != UUIDSize:
		return protocolErrorf("hello: a device is a UUID of %d bytes, not %d", UUIDSize, len(h.Device))
	case h.Version > MaxVersion || h.Settled > MaxVersion:
		return protocolErrorf("hello: a version or a number of a transaction is beyond %d", uint64(MaxVersion))
	default:
		return nil
	}
}

func (l hubLimits) hubLimits() HubLimits {
	bound := func(v uint64) int { return int(min(v, math.MaxInt32)) }
	return HubLimits{
		Message: bound(l.Message), Rows: bound(l.Rows), Unsettled: bound(l.Unsettled), Rate: bound(l.Rate),
	}
}

// Append appends the message, every key of it. A hello without a schema is one
// with an empty schema.
func (h *HubHello) Append(dst []byte) []byte {
	dst = appendUint(appendArray(dst, 2), uint64(TypeHello))
	m := startMap(dst)
	for _, id := range []struct {
		name string
		id   []byte
	}{{"session", h.Session}, {"device", h.Device}, {"epoch", h.Epoch}} {
		m.key(id.name)
		m.dst = appendBytes(m.dst, id.id)
	}
	m.key("version")
	m.dst = appendUint(m.dst, h.Version)
	m.key("settled")
	m.dst = appendUintOrNull(m.dst, h.Settled, h.SettledKnown)
	m.key("rejected")
	m.dst = appendRejected(m.dst, h.Rejected)
	m.key("resumed")
	m.dst = appendBool(m.dst, h.Resumed)
	m.key("schema")
	schema := h.Schema
	if schema == nil {
		schema = &Schema{}
	}
	m.dst = schema.appendBare(m.dst)
	m.key("limits")
	m.dst = h.Limits.append(m.dst)
	m.key("capabilities")
	m.dst = appendArray(m.dst, len(h.Capabilities))
	for _, c := range h.Capabilities {
		m.dst = appendText(m.dst, c)
	}
	m.key("frame_hz")
	m.dst = appendNumber(m.dst, h.FrameHz)
	m.key("time")
	return appendTime(m.dst, h.Time)
}

func (l HubLimits) append(dst []byte) []byte {
	m := startMap(dst)
	for _, limit := range []struct {
		name  string
		limit int
	}{{"message", l.Message}, {"rows", l.Rows}, {"unsettled", l.Unsettled}, {"rate", l.Rate}} {
		m.key(limit.name)
		m.dst = appendUint(m.dst, uint64(limit.limit))
	}
	return m.dst
}

// appendNumber appends a number that may have a fraction, as an integer where
// it has none.
func appendNumber(dst []byte, f float64) []byte {
	if f >= 0 && f <= MaxVersion && f == math.Trunc(f) {
		return appendUint(dst, uint64(f))
	}
	return appendValue(dst, RealValue(f))
}

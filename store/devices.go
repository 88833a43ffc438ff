package store

import (
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// Unsettled is how many transactions a device may have under way, and among how
// many of its last numbers its refusals are remembered.
const Unsettled = 64

// flushEvery is how long what is settled stays in the log alone.
const flushEvery = time.Second

// maxDevicesKept is how many devices are in memory, of those the database has too.
var maxDevicesKept = 1 << 16 // changed by tests alone

// A DeviceState is what is known of a device.
type DeviceState struct {
	Settled  uint64          // its highest settled number
	Rejected []wire.Rejected // refusals among its last Unsettled numbers, in order
	Owner    string          // the user that it belongs to; empty: nobody's yet
}

// devices is the settled numbers and the owner of every device. The log is where
// they are durable; a table of the game database, written once a second, saves
// reading the log from its beginning, and holds those that the log no longer has.
type devices struct {
	mu       sync.Mutex
	known    map[Device]*device
	dirty    map[Device]struct{}
	writing  *flush // collected, and not yet known to be committed
	written  uint64 // the version up to which the database's transaction has them
	lastTime time.Time

	evictions uint64 // devices dropped from known
}

type device struct {
	settled uint64
	owner   string
	count   uint64 // numbers settled
	refused []refusedAt
	seen    time.Time
}

type refusedAt struct { //nolint:errname // a refusal to tell, and no error of ours
	count uint64
	wire.Rejected
}

func (ds *devices) init() {
	ds.known, ds.dirty = map[Device]*device{}, map[Device]struct{}{}
}

// settle takes up a version's outcomes and owners.
func (ds *devices) settle(e *Entry) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, o := range e.Owners {
		if d := ds.device(o.Device, e.Time); d.owner == "" {
			d.owner = o.User
		}
	}
	for _, w := range e.Writers {
		if w.Seq != 0 {
			ds.device(w.Device, e.Time).settle(w.Seq)
		}
	}
	for _, o := range e.Refused {
		d := ds.device(o.Device, e.Time)
		d.settle(o.Seq)
		d.refused = append(d.refused, refusedAt{d.count, o.Rejected})
	}
}

func (ds *devices) device(id Device, now time.Time) *device {
	d := ds.known[id]
	if d == nil {
		d = &device{}
		ds.known[id] = d
	}
	ds.dirty[id] = struct{}{}
	d.seen = now
	return d
}

func (d *device) settle(seq uint64) {
	d.settled = max(d.settled, seq)
	d.count++
	for len(d.refused) > 0 && d.count-d.refused[0].count >= Unsettled {
		d.refused = d.refused[1:]
	}
}

func (d *device) state() DeviceState {
	s := DeviceState{Settled: d.settled, Owner: d.owner}
	for _, r := range d.refused {
		s.Rejected = append(s.Rejected, r.Rejected)
	}
	return s
}

// A flush is what one transaction writes down, done once that is committed.
type flush struct {
	version uint64
	ids     []Device
	rows    [][]wire.Value
}

// collect returns what has changed and is to be written down at a version, if the last
// time is long enough ago; nil: it is not due.
func (ds *devices) collect(version uint64, now time.Time) (*flush, error) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if !elapsed(ds.lastTime, now, flushEvery) {
		return nil, nil
	}
	ds.lastTime = now
	if lost := ds.writing; lost != nil { // its transaction failed
		for _, id := range lost.ids {
			ds.dirty[id] = struct{}{}
		}
	}
	f := &flush{version: version}
	for id := range ds.dirty {
		d := ds.known[id]
		refused, err := cbor.Marshal(d.persist())
		if err != nil {
			return nil, err
		}
		f.ids = append(f.ids, id)
		f.rows = append(f.rows, []wire.Value{wire.BlobValue(id[:]), wire.IntegerValue(int64(d.settled)), wire.BlobValue(refused),
			wire.IntegerValue(d.seen.UnixMicro()), wire.TextValue(d.owner)})
	}
	ds.writing = f
	clear(ds.dirty)
	return f, nil
}

// write writes it into the open transaction that the statements are of.
func (f *flush) write(sql *mergeStatements) error {
	if f == nil {
		return nil
	}
	for _, row := range f.rows {
		if err := sql.device.RunWith(row...); err != nil {
			return fmt.Errorf("write down what is known of devices: %w", err)
		}
	}
	return sql.devices.RunWith(wire.IntegerValue(int64(f.version)))
}

// flushNow makes the next flush due.
func (ds *devices) flushNow() {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.lastTime = time.Time{}
}

// pending says whether there is something to flush, due or not.
func (ds *devices) pending() bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return len(ds.dirty) > 0 || ds.writing != nil
}

func (ds *devices) writtenVersion() uint64 {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.written
}

// flushed takes note that a flush has been committed. What the database has now
// makes room.
func (ds *devices) flushed(f *flush) {
	if f == nil {
		return
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.written, ds.writing = f.version, nil
	for id := range ds.known {
		if len(ds.known) <= maxDevicesKept {
			return
		}
		if _, dirty := ds.dirty[id]; !dirty {
			delete(ds.known, id)
			ds.evictions++
		}
	}
}

type persistedDevice struct {
	_       struct{} `cbor:",toarray"`
	Count   uint64
	Refused []persistedRefusal
}

type persistedRefusal struct {
	_          struct{} `cbor:",toarray"`
	Count, Seq uint64
	Code, Text string
	Op, Row    int
}

func (d *device) persist() persistedDevice {
	p := persistedDevice{Count: d.count}
	for _, r := range d.refused {
		p.Refused = append(p.Refused, persistedRefusal{
			Count: r.count, Seq: r.Seq, Code: string(r.Code), Text: r.Text, Op: r.Op, Row: r.Row,
		})
	}
	return p
}

func restoreDevice(settled int64, refused []byte, seen int64, owner string) (*device, error) {
	var p persistedDevice
	if err := cbor.Unmarshal(refused, &p); err != nil {
		return nil, fmt.Errorf("read what a device has settled: %w", err)
	}
	d := &device{settled: uint64(settled), owner: owner, count: p.Count, seen: time.UnixMicro(seen)}
	for _, r := range p.Refused {
		refusal := wire.Refusal{Code: wire.Code(r.Code), Text: r.Text, Op: r.Op, Row: r.Row}
		d.refused = append(d.refused, refusedAt{r.Count, wire.Rejected{Seq: r.Seq, Refusal: refusal}})
	}
	return d, nil
}

// A DeviceLook is what was known of a device at a moment.
type DeviceLook struct {
	DeviceState
	Known bool // false: it has never settled anything and is nobody's, or was forgotten

	evictions uint64 // of others up to then
}

// Device returns what is known of a device; ok is false for one that has never
// settled anything and is nobody's, or was forgotten.
func (s *Store) Device(id Device) (state DeviceState, ok bool, err error) {
	l, err := s.LookUp(id)
	return l.DeviceState, l.Known, err
}

// LookUp returns what is known of a device.
func (s *Store) LookUp(id Device) (DeviceLook, error) {
	ds := &s.devices
	for {
		l := ds.look(id)
		if l.Known {
			return l, nil
		}
		var d *device
		if err := s.look(func(c *sqlite.Conn) (err error) { d, err = readDevice(c, id); return err }); err != nil {
			return DeviceLook{}, err
		}
		if l := ds.keep(id, d, l.evictions); l.Known || d == nil {
			return l, nil
		}
	}
}

// LookAgain returns what is known of a device now, where was is what a LookUp
// returned before. It waits for nothing: ok is false where memory may have lost the
// device since, and it has to be looked up anew.
func (s *Store) LookAgain(id Device, was DeviceLook) (is DeviceLook, ok bool) {
	is = s.devices.look(id)
	return is, is.Known || !was.Known && is.evictions == was.evictions
}

// look returns what memory has of a device.
func (ds *devices) look(id Device) DeviceLook {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.known[id].look(ds.evictions)
}

// look returns what a device is, nil where it is not known.
func (d *device) look(evictions uint64) DeviceLook {
	l := DeviceLook{Known: d != nil, evictions: evictions}
	if d != nil {
		l.DeviceState = d.state()
	}
	return l
}

// keep takes up a device as it was read from the database, nil where it is not
// there, unless memory knows better by now, or may have known better in between:
// a device that was read is then to be read again.
func (ds *devices) keep(id Device, d *device, evictions uint64) DeviceLook {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.known[id] == nil && d != nil && ds.evictions == evictions {
		ds.known[id] = d
	}
	return ds.known[id].look(evictions)
}

func readDevice(c *sqlite.Conn, id Device) (d *device, err error) {
	err = c.Query(`SELECT settled, refused, seen, owner FROM _framehub_device WHERE id = ?`, []driver.Value{id[:]},
		func(row []driver.Value) error {
			d, err = restoreDevice(number64(row[0]), blob(row[1]), number64(row[2]), text(row[3]))
			return err
		})
	return d, err
}

// loadDevices brings the numbers up to the log's end, and forgets devices not
// seen for long.
func (s *Store) loadDevices() error {
	meta, err := readMeta(s.w, "_framehub_meta")
	if err != nil {
		return err
	}
	written := uint64(number64(meta["devices"]))
	if written+1 < s.log.first {
		return fmt.Errorf("the game database knows what devices settled up to version %d, the frame log %s begins at %d: one of them is an older copy",
			written, s.log.path, s.log.first)
	}
	for v := written + 1; v <= s.log.last; v++ {
		e, err := s.Entry(v)
		if err != nil {
			return err
		}
		if err := s.devices.preload(s.w, e); err != nil {
			return err
		}
		s.devices.settle(e)
	}
	s.devices.written = written
	return s.w.Exec(`DELETE FROM _framehub_device WHERE seen < ?`, time.Now().Add(-s.opts.DeviceAge).UnixMicro())
}

// preload reads the devices that an entry tells of and that are not in
// memory: what the database has of them counts on.
func (ds *devices) preload(c *sqlite.Conn, e *Entry) error {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, o := range e.Owners {
		if err := ds.load(c, o.Device); err != nil {
			return err
		}
	}
	for _, w := range e.Writers {
		if w.Seq == 0 {
			continue
		}
		if err := ds.load(c, w.Device); err != nil {
			return err
		}
	}
	for _, o := range e.Refused {
		if err := ds.load(c, o.Device); err != nil {
			return err
		}
	}
	return nil
}

// owner returns whose a device is, "" when it is nobody's.
func (ds *devices) owner(c *sqlite.Conn, id Device) (string, error) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if err := ds.load(c, id); err != nil || ds.known[id] == nil {
		return "", err
	}
	return ds.known[id].owner, nil
}

func (ds *devices) load(c *sqlite.Conn, id Device) error {
	if ds.known[id] != nil {
		return nil
	}
	d, err := readDevice(c, id)
	if d != nil {
		ds.known[id] = d
	}
	return err
}

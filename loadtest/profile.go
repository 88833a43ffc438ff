package loadtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"framehub/session/wire"
)

// Profile is who writes, and who sees what.
type Profile string

// The profiles.
const (
	// Mesh is everyone sees everyone: each device writes and subscribes to all
	// tables; the first few are the observers, the others count what comes.
	Mesh Profile = "mesh"

	// Writers is devices that write and subscribe to nothing, with observers beside
	// them. A trace is always played this way.
	Writers Profile = "writers"

	// Zones is devices that write, and subscribe to the zone that they are in: they drive
	// from one into the next.
	Zones Profile = "zones"

	// Server is one session that writes all rows, as a game server does, and devices that
	// watch.
	Server Profile = "server"

	// JoinStorm is a world that one session writes, and devices that all come at the same
	// moment, when the warm-up is over, and want all of it.
	JoinStorm Profile = "join-storm"

	// Events is devices that write and see nothing but the events of their group, and
	// that send events to it and to one another, with observers beside them.
	Events Profile = "events"

	// Flaky is a mesh in which some devices have bad connections: they are cut, slow and
	// half-open in turns, and the devices come back. The observers are among the others.
	Flaky Profile = "flaky"

	// Transfers is devices that move money from account to account and see all accounts, with
	// observers beside them: the sum of all is to be the same in every version.
	Transfers Profile = "transfers"
)

var profiles = []Profile{Mesh, Writers, Zones, Server, JoinStorm, Events, Flaky, Transfers}

func profileNames() string {
	var names []string
	for _, p := range profiles {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// writesAlone says whether one session writes for all.
func (p Profile) writesAlone() bool { return p == Server || p == JoinStorm }

// mostRows is how many rows one session writes in a transaction, so that the message is
// one that every hub takes.
const mostRows = 1000

// serverScripts returns what is written for all devices, by as few sessions as can.
func serverScripts(o *Options) []script {
	all := *o
	rows := o.Devices * o.Entities
	all.Devices = (rows + mostRows - 1) / mostRows
	all.Entities = (rows + all.Devices - 1) / all.Devices
	return meshScripts(&all)
}

// A guest is who connects: a device that writes, or watches, or both.
type guest struct {
	name     string
	watches  bool       // what comes to it is counted
	observer *observer  // decodes it; nil: nobody does
	actor    *actor     // writes; nil: it only watches
	line     *line      // what it reaches the hub by, where that is flaky
	subs     []wire.Sub // what it sees; none: all tables where it watches, else nothing
}

// hello returns what a guest says of itself.
func (g *guest) hello() wire.DeviceHello {
	return wire.DeviceHello{SubsSet: !g.watches || len(g.subs) > 0, Subs: g.subs, Client: "framehub loadtest"}
}

// guests returns who is there from the start, and who comes at once in a storm. Actors
// that begin later connect by themselves.
func (r *run) guests(c *cast) (early, storm []guest) {
	for _, o := range c.observers {
		early = append(early, guest{name: o.name, watches: true, observer: o})
	}
	switch r.opts.Profile {
	case Mesh, Flaky: // who is observed writes as well
		for i, a := range c.actors {
			g := guest{name: a.script.name(), watches: true, actor: a}
			if i < len(early) {
				g.observer = early[i].observer
				early[i] = g
				continue
			}
			early = append(early, g)
		}
		if r.opts.Profile == Flaky {
			r.opts.spoil(early)
		}
	case Zones:
		for _, a := range c.actors {
			zone := firstZone(a.script)
			early = append(early, guest{name: a.script.name(), watches: true, actor: a, subs: []wire.Sub{r.zoneSub(zone)}})
		}
	case Transfers:
		for _, a := range c.actors {
			early = append(early, guest{name: a.script.name(), watches: true, actor: a, subs: []wire.Sub{{Name: accounts}}})
		}
	case Events: // which are for who is there
		for i, a := range c.actors {
			group := wire.Sub{Name: r.opts.Table, Scoped: true, Scopes: []wire.Value{r.opts.groupOf(i)}}
			early = append(early, guest{name: a.script.name(), actor: a, subs: []wire.Sub{group}})
		}
	default:
		for _, a := range c.actors {
			if a.script.at(0) < lead {
				early = append(early, guest{name: a.script.name(), actor: a})
			}
		}
	}
	if r.opts.Profile.writesAlone() {
		watching := make([]guest, r.opts.Devices)
		for i := range watching {
			watching[i] = guest{name: fmt.Sprintf("device %d", i+1), watches: true}
		}
		if r.opts.Profile == JoinStorm {
			return early, watching
		}
		early = append(early, watching...)
	}
	return early, nil
}

func firstZone(s script) int64 {
	_, places := s.write(nil, 0)
	return places[0].zone()
}

func (r *run) zoneSub(zone int64) wire.Sub {
	return wire.Sub{Name: r.opts.Table, Scoped: true, Scopes: []wire.Value{wire.IntegerValue(zone)}}
}

// wander subscribes to the zone that the device has come to, instead of the one before.
func (d *device) wander(sessions context.Context, p *place) error {
	zone := p.zone()
	if zone == d.zone {
		return nil
	}
	was := d.zone
	d.zone = zone
	d.entered.Store(int64(time.Since(d.run.base)))
	return d.conn.subscribe(sessions, d.run.zoneSub(zone), d.run.zoneSub(was))
}

// storm lets everybody come at the same moment, and waits until they have what they want.
func (r *run) storm(load, sessions context.Context, guests []guest) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	if len(guests) == 0 || !sleepUntil(load, timer, r.base.Add(r.start+r.warmup)) {
		return
	}
	r.joins.reset()
	var coming sync.WaitGroup
	for _, g := range guests {
		coming.Go(func() {
			d, err := r.dial(sessions, &g)
			if err == nil {
				err = d.snapshot(load, r.opts.Patience)
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				r.fail("%s: %v", g.name, err)
			}
		})
	}
	coming.Wait()
}

// checkProfile returns what is wrong with options that depend on the profile.
func (o *Options) checkProfile() error {
	const most = 1000 // events a second
	switch {
	case !slices.Contains(profiles, o.Profile):
		return fmt.Errorf("there is no profile %q, only %s", o.Profile, profileNames())
	case o.Profile == Events && (o.Devices < 2 || o.Group < 1):
		return fmt.Errorf("events go from device to device: devices must be 2 at least, those of a group 1, they are %d and %d", o.Devices, o.Group)
	case o.Profile == Transfers && o.Devices < 2:
		return errors.New("money goes from device to device: devices must be 2 at least")
	case o.Profile == Flaky && o.checkFlaky() != nil:
		return o.checkFlaky()
	case math.IsNaN(o.EventHz) || o.EventHz <= 0 || o.EventHz > most:
		return fmt.Errorf("%v events a second: it must be above 0 and at most %d", o.EventHz, most)
	default:
		return nil
	}
}

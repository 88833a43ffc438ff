package loadtest

import (
	"fmt"
	"io"
	"time"
)

// Options say what load to make. The zero value of each field means its default.
type Options struct {
	URL       string // of the hub, as ws://HOST/v1/sync; required
	Token     string // that the devices connect with; "": none
	DB        string // the hub's database, to compare the copies with; "": there is none to compare with
	Unchecked bool   // a run without DB is not a failure for that
	AdminURL  string // of the hub's operators' listener, for its own figures; "": they are left out

	AdminToken string // a viewer's, for AdminURL; "": none

	Table      string        // that the devices write; default "entity"
	Profile    Profile       // default [Mesh]
	Devices    int           // that write; default 100
	Observers  int           // that decode what comes and keep a copy; default 8
	Entities   int           // rows that each device writes in one transaction; default 1
	Hz         float64       // transactions a second and device; default 20
	EventHz    float64       // with Events: events a second and device; default 100
	Group      int           // with Events: devices in a group; default 10
	FlakyShare float64       // with Flaky: the part of the devices that is; default 0.5
	FlakyEvery time.Duration // with Flaky: from one mishap of a device to the next, on average; default 5 s
	Duration   time.Duration // default 30 s, or the whole trace
	Warmup     time.Duration // of the duration, that the figures leave out; default a tenth, 3 s at most; below 0: none
	Gates      []Gate        // what the figures must be for the run to be a good one

	// Kills is how often the hub is killed during the load, and started again by Restart, which
	// kills it at once, without a word, and returns when it takes devices again, where it did before.
	Kills   int
	Restart func() error

	Trace string  // a file of movements, CSV, also gzipped: then its vehicles are the devices
	Speed float64 // how many times as fast as it was recorded the trace is played; default 1

	Progress io.Writer // shows how far the run is; nil: nobody looks
	Terminal bool      // Progress is a terminal

	// Patience is how long the run waits for what must come by itself: for a
	// snapshot, for writes that are late, for acknowledgements, for the database and
	// the copies to be at one version. Default 10 s.
	Patience time.Duration

	planted func(observers []*observer) // by tests: called when every copy has everything, and before it is compared
}

func (o Options) withDefaults() Options {
	set(&o.Table, "entity")
	set(&o.Profile, Mesh)
	set(&o.Devices, 100)
	set(&o.Observers, 8)
	set(&o.Entities, 1)
	set(&o.Hz, 20)
	set(&o.EventHz, 100)
	set(&o.Group, 10)
	set(&o.FlakyShare, 0.5)
	set(&o.FlakyEvery, 5*time.Second)
	set(&o.Speed, 1)
	set(&o.Patience, 10*time.Second)
	if o.Trace != "" {
		o.Profile = Writers
	} else {
		set(&o.Duration, 30*time.Second)
	}
	if o.Profile == Mesh {
		o.Observers = min(o.Observers, o.Devices)
	}
	if o.Profile == Flaky {
		o.Observers = max(1, min(o.Observers, o.Devices-o.flakyOf()))
	}
	return o
}

// warmupOf returns the warm-up of a load of a length.
func (o *Options) warmupOf(length time.Duration) time.Duration {
	const most = 3 * time.Second
	if o.Warmup == 0 {
		return min(most, length/10)
	}
	return min(max(0, o.Warmup), length)
}

// lasts says whether devices come back when their connection is lost, and all who
// watch keep a copy.
func (o *Options) lasts() bool { return o.Kills > 0 || o.Profile == Flaky || o.Profile == Transfers }

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Check returns what is wrong with the options.
func (o Options) Check() error {
	o = o.withDefaults()
	const most = 1000 // a second, and times as fast: stamps are whole microseconds
	switch {
	case o.Devices < 1 || o.Observers < 1 || o.Entities < 1:
		return fmt.Errorf("devices, observers and entities must be 1 at least, they are %d, %d and %d", o.Devices, o.Observers, o.Entities)
	case !(o.Hz > 0 && o.Hz <= most):
		return fmt.Errorf("%v transactions a second: it must be above 0 and at most %d", o.Hz, most)
	case !(o.Speed > 0 && o.Speed <= most):
		return fmt.Errorf("a speed of %v: it must be above 0 and at most %d", o.Speed, most)
	case o.Kills < 0:
		return fmt.Errorf("%d kills: it must be 0 at least", o.Kills)
	case o.Duration < 0:
		return fmt.Errorf("a duration of %v: it must be above 0", o.Duration)
	default:
		return o.checkProfile()
	}
}

package loadtest

import (
	"fmt"
	"math"
	"time"

	"framehub/session/wire"
)

// A meshScript is a device whose entities drive in circles.
type meshScript struct {
	number   int // of the device, from 0
	entities int
	period   time.Duration
	phase    time.Duration // of its first write
	writes   int
}

// meshScripts returns what the devices of a mesh write: first a put of their
// rows, then touches. Their first writes are spread over one period.
func meshScripts(o *Options) []script {
	period := time.Duration(float64(time.Second) / o.Hz)
	scripts := make([]script, o.Devices)
	for d := range scripts {
		phase := time.Duration(float64(period) * float64(d) / float64(o.Devices)).Truncate(time.Microsecond)
		writes := max(1, int(math.Ceil(float64(o.Duration-phase)/float64(period))))
		scripts[d] = &meshScript{number: d, entities: o.Entities, period: period, phase: phase, writes: writes}
	}
	return scripts
}

func (m *meshScript) name() string           { return fmt.Sprintf("device %d", m.number+1) }
func (m *meshScript) count() int             { return m.writes }
func (m *meshScript) at(i int) time.Duration { return m.phase + time.Duration(i)*m.period }

func (m *meshScript) write(dst []place, i int) (wire.OpKind, []place) {
	at := m.at(i).Seconds()
	for e := range m.entities {
		dst = append(dst, circle(int64(1+m.number*m.entities+e), at))
	}
	if i == 0 {
		return wire.OpPut, dst
	}
	return wire.OpTouch, dst
}

// circle returns where an entity is at a time, in s: on a circle of its own, of
// 50 to 200 m, in a city of 1 km by 1 km, at 14 m/s. Games have their places as
// float32, so these survive as such.
func circle(id int64, at float64) place {
	const speed = 14
	// Multiples of these, without their whole part, fill the square evenly (the
	// R₂ sequence: powers of the plastic number's inverse).
	_, u := math.Modf(float64(id) * 0.7548776662466927)
	_, v := math.Modf(float64(id) * 0.5698402909980532)
	radius := 50 + 150*u
	turn := 2*math.Pi*v + at*speed/radius
	sin, cos := math.Sincos(turn)
	_, east := math.Modf((turn + math.Pi/2) / (2 * math.Pi))
	return place{
		id: id,
		x:  short(200 + 600*u + radius*cos), y: short(200 + 600*v + radius*sin),
		heading: short(360 * (1 - east)), speed: speed,
	}
}

func short(f float64) float64 { return float64(float32(f)) }

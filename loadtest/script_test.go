package loadtest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/loadtest"
	"framehub/session/wire"
)

const ms = time.Millisecond

func TestTraceScripts(t *testing.T) {
	const trace = "t,id,x,y,heading,speed\n" +
		"10.2,1,3,0,0,0\n10.0,1,1,0,0,0\n10.1,1,2,0,0,0\n" + // in no order
		"10.0,2,1,0,0,0\n10.4,2,5,0,0,0\n" + // away for a while
		"10.4,3,9,0,0,0\n"
	put, touch, del := wire.OpPut, wire.OpTouch, wire.OpDelete
	for name, tc := range map[string]struct {
		speed  float64
		length time.Duration
		want   [][]loadtest.Write
	}{
		"all": {1, 0, [][]loadtest.Write{
			{{0, put, 1, 1}, {100 * ms, touch, 1, 2}, {200 * ms, touch, 1, 3}, {300 * ms, del, 1, 0}},
			{{0, put, 2, 1}, {400 * ms, touch, 2, 5}},
			{{400 * ms, put, 3, 9}},
		}},
		"twice as fast": {2, 0, [][]loadtest.Write{
			{{0, put, 1, 1}, {50 * ms, touch, 1, 2}, {100 * ms, touch, 1, 3}, {150 * ms, del, 1, 0}},
			{{0, put, 2, 1}, {200 * ms, touch, 2, 5}},
			{{200 * ms, put, 3, 9}},
		}},
		"the first 100 ms": {1, 100 * ms, [][]loadtest.Write{
			{{0, put, 1, 1}, {100 * ms, touch, 1, 2}},
			{{0, put, 2, 1}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := loadtest.TraceWrites(trace, tc.speed, tc.length)
			if err != nil {
				t.Fatal(err)
			}
			step := time.Duration(float64(100*ms) / tc.speed)
			for _, writes := range got { // each vehicle has its own moment of a step
				wait := writes[0].At % step
				for i := range writes {
					writes[i].At = (writes[i].At - wait).Round(ms)
				}
			}
			if !slices.EqualFunc(got, tc.want, slices.Equal) {
				t.Errorf("the vehicles write\n%v, want\n%v", got, tc.want)
			}
		})
	}
}

func TestTracesThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ trace, want string }{
		"empty":               {"", "first line"},
		"a column is missing": {"t,id,x,y,heading\n", `"speed"`},
		"no samples":          {"t,id,x,y,heading,speed\n", "no samples"},
		"a time that is none": {"t,id,x,y,heading,speed\n0,1,0,0,0,0\nsoon,1,0,0,0,0\n", "line 3: t"},
		"an id that is none":  {"t,id,x,y,heading,speed\n0,car,0,0,0,0\n", "line 2: id"},
		"no finite place":     {"t,id,x,y,heading,speed\n0,1,Inf,0,0,0\n", "line 2: x"},
		"twice at a time":     {"t,id,x,y,heading,speed\n0,1,0,0,0,0\n0,1,1,0,0,0\n", "vehicle 1"},
		"a line too short":    {"t,id,x,y,heading,speed\n0,1\n", "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := loadtest.TraceWrites(tc.trace, 1, 0); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestMeshScripts(t *testing.T) {
	all := loadtest.MeshWrites(loadtest.Options{Devices: 4, Entities: 5, Hz: 10, Duration: time.Second})
	for d, writes := range all {
		if len(writes) != 10 {
			t.Fatalf("device %d writes %d times", d, len(writes))
		}
		for i, w := range writes {
			at := time.Duration(d)*25*ms + time.Duration(i)*100*ms
			kind := wire.OpTouch
			if i == 0 {
				kind = wire.OpPut
			}
			if w.At != at || w.Kind != kind || w.ID != int64(1+5*d) || w.X < 0 || w.X > 1000 || w.X != float64(float32(w.X)) {
				t.Errorf("write %d of device %d is %+v", i, d, w)
			}
			if i > 0 && w.X == writes[i-1].X {
				t.Errorf("device %d stands still at write %d", d, i)
			}
		}
	}
}

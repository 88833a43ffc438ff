package main

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"
)

// Messages that Colyseus 0.18.17 sent, without their first byte.
const (
	patchOfJoin  = "8001ff018000a950437677776b334a4a02"
	patchOfWrite = "ff02800000c03f810000204082000060408300009040"
)

func TestReadPatch(t *testing.T) {
	for _, c := range []struct {
		name, patch string
		want        []float32
		fails       bool
	}{
		{"a player comes", patchOfJoin, nil, false},
		{"one writes", patchOfWrite, []float32{1.5}, false},
		{"comes and writes", patchOfJoin + patchOfWrite, []float32{1.5}, false},
		{"two write again", "ff02000000c03f010000204002000060400300009040" + "ffcc81000000204001000000000200000000030000" + "0000", []float32{1.5, 2.5}, false},
		{"one goes", "ff014005" + patchOfWrite, []float32{1.5}, false},
		{"cut off", patchOfWrite[:20], []float32{1.5}, true},
		{"a field that there is not", "ff020700000000", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg, err := hex.DecodeString(c.patch)
			if err != nil {
				t.Fatal(err)
			}
			var got []float32
			err = readPatch(msg, func(x float32) { got = append(got, x) })
			if (err != nil) != c.fails || !slices.Equal(got, c.want) {
				t.Fatalf("got %v, %v; want %v, an error: %t", got, err, c.want, c.fails)
			}
		})
	}
}

func TestStamp(t *testing.T) {
	for _, c := range [][2]int{{0, 1}, {mostDevices - 1, mostWrites - 1}, {7, 0}} {
		if device, write := stamped(newPose(c[0], c[1])[0]); device != c[0] || write != c[1] {
			t.Errorf("device %d, write %d came back as %d, %d", c[0], c[1], device, write)
		}
	}
}

func TestPasses(t *testing.T) {
	w := &work{devices: 10, hz: 20}
	for _, c := range []struct {
		name string
		age  time.Duration
		lost int
		part int64
		want bool
	}{
		{"keeps up", 60 * time.Millisecond, 0, 1000, true},
		{"is late", 160 * time.Millisecond, 0, 1000, false},
		{"loses one", 60 * time.Millisecond, 1, 1000, false},
		{"leaves out", 60 * time.Millisecond, 0, 960, false},
	} {
		r := &result{age: newHistogram(), lost: c.lost, delivered: c.part, expected: 1000}
		if err := r.age.RecordValue(c.age.Microseconds()); err != nil {
			t.Fatal(err)
		}
		if got := r.passes(w); got != c.want {
			t.Errorf("%s: passes is %t", c.name, got)
		}
	}
}

package web

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"framehub/hub"
)

// Series is the answer of GET /api/history?step=SECONDS, and what the topic
// "history:SECONDS" tells: all of it at first, and then what is new.
type Series struct {
	Now     time.Time `json:"now"`
	Step    float64   `json:"step"`  // seconds
	First   bool      `json:"first"` // all that there is
	Samples []Sample  `json:"samples"`
}

// Sample is what the hub did in a step, each second of it where nothing else is said.
type Sample struct {
	At        int64   `json:"at"` // the step's end, ms since 1970
	Frames    float64 `json:"frames"`
	Rows      float64 `json:"rows"`
	Committed float64 `json:"committed"`
	Refused   float64 `json:"refused"`
	In        float64 `json:"in"` // bytes
	Out       float64 `json:"out"`

	// Milliseconds of a frame; left out where there was none.
	P50       *float64 `json:"p50,omitempty"` // from its boundary until every session was handed it
	P99       *float64 `json:"p99,omitempty"`
	Check     *float64 `json:"check,omitempty"` // on the average: in its transactions,
	Commit    *float64 `json:"commit,omitempty"`
	Broadcast *float64 `json:"broadcast,omitempty"`
	Merge     *float64 `json:"merge,omitempty"` // beside it, in the game database's commits

	// At the step's end.
	Sessions     int `json:"sessions"`
	Behind       int `json:"behind"`  // sessions that are not in step
	Waiting      int `json:"waiting"` // transactions that wait for a frame
	WaitingBytes int `json:"waiting_bytes"`
}

// history is the topic of the hub's history.
func history(h *hub.Hub) topic {
	return func(arg string) (source, func(), error) {
		step, err := stepOf(arg)
		if err != nil {
			return nil, nil, err
		}
		first, last := true, time.Time{}
		return func() any {
			samples := h.History(step, last)
			if len(samples) == 0 && !first {
				return nil
			}
			if len(samples) > 0 {
				last = samples[len(samples)-1].At
			}
			told := Series{time.Now(), step.Seconds(), first, series(samples)}
			first = false
			return told
		}, nil, nil
	}
}

// pastOf answers with all of the hub's history in a step.
func pastOf(h *hub.Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		step, err := stepOf(cmp.Or(r.URL.Query().Get("step"), "1"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, Series{time.Now(), step.Seconds(), true, series(h.History(step, time.Time{}))})
	}
}

func stepOf(seconds string) (time.Duration, error) {
	for _, step := range []time.Duration{hub.ShortStep, hub.LongStep} {
		if seconds == fmt.Sprint(step.Seconds()) {
			return step, nil
		}
	}
	return 0, fmt.Errorf("the hub keeps its history in steps of %v and of %v seconds, not of %q", hub.ShortStep.Seconds(), hub.LongStep.Seconds(), seconds)
}

func series(samples []hub.Sample) []Sample {
	list := make([]Sample, len(samples))
	for i := range samples {
		s := &samples[i]
		per := func(n uint64) float64 { return float64(n) / s.Length.Seconds() }
		of := func(seconds float64, frames uint64) *float64 {
			if frames == 0 {
				return nil
			}
			return new(1000 * seconds / float64(frames))
		}
		list[i] = Sample{
			At: s.At.UnixMilli(), Frames: per(s.Frames), Rows: per(s.Rows), Committed: per(s.Committed), Refused: per(s.Refused),
			In: per(s.BytesIn), Out: per(s.BytesOut),
			P50: of(s.P50, min(1, s.Frames)), P99: of(s.P99, min(1, s.Frames)),
			Check: of(s.Check, s.Frames), Commit: of(s.Commit, s.Frames), Broadcast: of(s.Broadcast, s.Frames), Merge: of(s.Merge, s.Frames),
			Sessions: s.Sessions, Behind: s.Behind, Waiting: s.Waiting, WaitingBytes: s.WaitingBytes,
		}
	}
	return list
}

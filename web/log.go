package web

import (
	"net/http"
	"strconv"
	"time"

	"framehub/audit"
)

// LogLines is the answer of GET /api/log, and what the topic of the log tells: at first all
// that is kept, then what is new.
type LogLines struct {
	Began time.Time    `json:"began"` // when the hub was started: lines are numbered anew then
	Lines []audit.Line `json:"lines"`
}

// logSource returns what a stream is told of the log.
func (o *Options) logSource(began time.Time) source {
	var told uint64
	first := true
	return func() any {
		lines := o.Tail.Since(told)
		if len(lines) == 0 && !first {
			return nil
		}
		first = false
		if n := len(lines); n > 0 {
			told = lines[n-1].Seq
		}
		return LogLines{began, append([]audit.Line{}, lines...)}
	}
}

// log answers with the lines that are kept, or with ?after=SEQ with those after one.
func (o Options) log(began time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var after uint64
		if text := r.URL.Query().Get("after"); text != "" {
			var err error
			if after, err = strconv.ParseUint(text, 10, 64); err != nil {
				http.Error(w, "after is the number of a line", http.StatusBadRequest)
				return
			}
		}
		writeJSON(w, LogLines{began, append([]audit.Line{}, o.Tail.Since(after)...)})
	}
}

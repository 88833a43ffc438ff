package web

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"framehub/operators"
)

const (
	liveEvery    = time.Second      // between two looks at the sources of a stream
	livePatience = 10 * time.Second // for a page to take what is written
	maxTopics    = 8                // of a stream
)

// A source gives what a stream is to be told next, as JSON; nil: nothing. It
// belongs to one stream, and may remember what that has been told.
type source func() any

// A topic makes the source for a stream that asks for it, or says why there is
// none. arg is what stands behind the topic's name and a colon. What the source
// holds it lets go when it is ended, if it has something to end.
type topic func(arg string) (next source, end func(), err error)

// plain is a topic whose sources hold nothing.
func plain(next source) topic {
	return func(string) (source, func(), error) { return next, nil, nil }
}

// live answers GET /api/live?topic=NAME[:ARG]&… with a stream of server-sent
// events, named as the topics were asked for: at once, and each second, whatever
// their sources have to tell. It is the only thing that goes on for a page, and
// ends with it, or when who asked may no longer look: then its last event is "end".
func (o Options) live(topics map[string]topic) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		names := r.URL.Query()["topic"]
		sources, end, err := open(topics, names)
		defer end()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "text/event-stream")
		header.Set("X-Accel-Buffering", "no") // nginx would keep it back
		s := stream{w, http.NewResponseController(w)}
		tick := time.NewTicker(liveEvery)
		defer tick.Stop()
		for err = s.start(); err == nil; {
			if why := o.stays(r, operators.Viewer); why != nil {
				s.leave(why)
				return
			}
			if err = s.tell(names, sources); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}
}

// open makes the sources of topics. What it returns ends all that were made, and
// is there also where there is an error.
func open(topics map[string]topic, names []string) (sources []source, end func(), err error) {
	var ends []func()
	end = func() {
		for _, one := range ends {
			one()
		}
	}
	if len(names) == 0 || len(names) > maxTopics {
		return nil, end, fmt.Errorf("a stream has from 1 to %d topics: /api/live?topic=status", maxTopics)
	}
	sources = make([]source, len(names))
	for i, full := range names {
		name, arg, _ := strings.Cut(full, ":")
		begin, ok := topics[name]
		if !ok || strings.ContainsFunc(full, unicode.IsControl) { // a line of its own would be an event of its own
			return nil, end, fmt.Errorf("there is no topic %q", full)
		}
		next, one, err := begin(arg)
		if err != nil {
			return nil, end, err
		}
		if sources[i] = next; one != nil {
			ends = append(ends, one)
		}
	}
	return sources, end, nil
}

// A stream is an answer that takes as long as its peer takes it.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// start says how soon a page may come back, and lifts the bound of a request's
// time, which a stream has none of.
func (s stream) start() error {
	if err := s.rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return s.writeText("retry: 1000\n\n")
}

func (s stream) tell(names []string, sources []source) error {
	for i, from := range sources {
		v := from()
		if v == nil {
			continue
		}
		text, err := json.Marshal(v) // on one line
		if err != nil {
			return err
		}
		if err := s.writeText("event: " + names[i] + "\ndata: " + string(text) + "\n\n"); err != nil {
			return err
		}
	}
	return s.rc.Flush()
}

// leave tells a page why there is no more; it may be gone.
func (s stream) leave(why error) {
	text, _ := json.Marshal(map[string]string{"reason": why.Error()}) // texts can be encoded
	if s.writeText("event: end\ndata: "+string(text)+"\n\n") == nil {
		_ = s.rc.Flush()
	}
}

func (s stream) writeText(text string) error {
	_, err := io.WriteString(s, text)
	return err
}

// Write implements io.Writer. Each piece has its own time.
func (s stream) Write(p []byte) (int, error) {
	if err := s.rc.SetWriteDeadline(time.Now().Add(livePatience)); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"framehub/audit"
	"framehub/hub"
	"framehub/operators"
	"framehub/session"
	"framehub/session/wire"
)

// sync makes sessions of requests.
func (o Options) sync(h *hub.Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s := o.accept(w, r, o.Session); s != nil {
			o.refusedSession(s, h.Serve(s))
		}
	}
}

// observe makes a session of an operator's request, which observes, and ends when he
// may no longer look. What proves that he may is in the request, not in the hello.
func (o Options) observe(h *hub.Hub) http.HandlerFunc {
	own := o.Session
	own.Origins = nil // other sites' pages may be devices, but not operators
	return ownOrigins(nil, o.Audit, func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r)
		switch origin := r.Header.Get("Origin"); {
		case c.login == "":
		case origin == "":
			o.refuseAdmin(w, r, http.StatusForbidden, "a browser's request has an Origin: a program sends a token instead of a cookie")
			return
		case secureHost(r) && !strings.HasPrefix(strings.ToLower(origin), "https://"): // somebody between plays the page
			o.refuseAdmin(w, r, http.StatusForbidden, "the page came without TLS: use https")
			return
		}
		s := o.accept(w, r, own)
		if s == nil {
			return
		}
		done, err := h.ServeObserver(s, c.name)
		if o.refusedSession(s, err); err == nil {
			o.watch(s, r, done)
		}
	})
}

// watch ends a session when who asked for it may no longer look. It returns when it
// has ended.
func (o Options) watch(s *session.Session, r *http.Request, done <-chan struct{}) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if err := o.stays(r, operators.Viewer); err != nil {
			s.End(wire.Goodbye{Code: wire.CloseUnauthorized, Text: err.Error()})
		}
	}
}

// accept makes a session of a request, or answers why it doesn't, and returns nil.
func (o Options) accept(w http.ResponseWriter, r *http.Request, so session.Options) *session.Session {
	recorder := &codeRecorder{ResponseWriter: w}
	s, err := session.Accept(recorder, r, so)
	if err != nil {
		o.Audit.Add(audit.UpgradeRefused, audit.Record{Remote: r.RemoteAddr, Code: codeText(recorder.code), Reason: err.Error()})
		return nil
	}
	return s
}

// refusedSession writes down why a session was refused, if it was.
func (o Options) refusedSession(s *session.Session, err error) {
	if err == nil {
		return
	}
	rec := audit.Record{Session: s.ID, Remote: s.Remote, Reason: err.Error()}
	if e, ok := errors.AsType[*wire.Error](err); ok {
		rec.Code, rec.Reason = codeText(int(e.Code)), e.Reason
	}
	o.Audit.Add(audit.SessionRefused, rec)
}

// A codeRecorder remembers what was answered.
type codeRecorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (c *codeRecorder) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

// Unwrap lets [http.ResponseController] find what is under it.
func (c *codeRecorder) Unwrap() http.ResponseWriter { return c.ResponseWriter }

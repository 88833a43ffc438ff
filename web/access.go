package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"framehub/audit"
	"framehub/operators"
)

// A caller is who asks the admin listener.
type caller struct {
	name  string // "" where nobody is asked who he is
	role  operators.Role
	login string // what proves his login; "" where a token does
}

type callerKey struct{} // of a request's context: who asks

// callerOf says who asks, as far as that was found out.
func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// operator names who asks; "" where nobody is asked who he is.
func operator(r *http.Request) string { return callerOf(r).name }

var (
	errNobody   = errors.New("nobody is logged in, and a token is missing: log in on the page, or send one as Authorization: Bearer TOKEN")
	errNoTokens = errors.New("no token opens this listener: log in on the page")
	errUnusable = errors.New("the accounts of operators can't be used now: the hub's log says why")
)

// who finds out who asks: by the token of the Authorization header, else by the
// login that the cookie proves. The error is errNobody where there is neither, and
// says in words for the peer why what there is does not do.
func (o Options) who(r *http.Request) (caller, error) {
	if o.AdminAuth == nil && o.Operators == nil {
		return caller{role: operators.Operator}, nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); strings.EqualFold(scheme, "Bearer") && token != "" {
		if o.AdminAuth == nil {
			return caller{}, errNoTokens
		}
		name, role, err := o.AdminAuth(r.Context(), token)
		if err != nil {
			return caller{}, fmt.Errorf("the token is not taken: %w", err)
		}
		return caller{name: name, role: role}, nil
	}
	login := loginOf(r)
	if o.Operators == nil || login == "" {
		return caller{}, errNobody
	}
	a, err := o.Operators.Who(r.Context(), login)
	switch {
	case errors.Is(err, operators.ErrEnded):
		return caller{}, operators.ErrEnded
	case err != nil:
		o.Log.Error("the operators' accounts can't be used", "err", err)
		return caller{}, errUnusable
	}
	return caller{a.Name, a.Role, login}, nil
}

// stays returns nil while who asked may go on being answered: his token is not
// revoked, his login has not ended, his account may still do that.
func (o Options) stays(r *http.Request, needed operators.Role) error {
	c, err := o.who(r)
	if err == nil && !c.role.May(needed) {
		err = tooLittle(c, needed)
	}
	return err
}

func tooLittle(c caller, needed operators.Role) error {
	return fmt.Errorf("this needs the role %s: %s is a %s", needed, c.name, c.role)
}

// access lets through who may what the table of routes says. What is not in it
// wants somebody who may look, before it is told that there is no such thing.
func (o Options) access(mux *http.ServeMux, routes []route) http.Handler {
	needs := make(map[string]operators.Role, len(routes))
	for _, r := range routes {
		needs[r.pattern] = r.needs
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		needed, listed := needs[pattern]
		if !listed {
			needed = operators.Viewer
		}
		c, err := o.who(r)
		switch {
		case needed == operators.Anyone:
		case err != nil:
			o.refuseNobody(w, r, err)
			return
		case !c.role.May(needed):
			o.refuseAdmin(w, r, http.StatusForbidden, tooLittle(c, needed).Error())
			return
		}
		mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// refuseNobody answers who has not proved who he is, or could not.
func (o Options) refuseNobody(w http.ResponseWriter, r *http.Request, err error) {
	challenge := `Bearer realm="framehub"`
	if !errors.Is(err, errNobody) && !errors.Is(err, operators.ErrEnded) {
		challenge += `, error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	o.refuseAdmin(w, r, http.StatusUnauthorized, err.Error())
}

func (o Options) refuseAdmin(w http.ResponseWriter, r *http.Request, code int, reason string) {
	o.Audit.Add(audit.AdminRefused, audit.Record{Remote: r.RemoteAddr, Code: codeText(code), Reason: r.Method + " " + r.URL.Path + ": " + reason})
	http.Error(w, reason, code)
}

// seated lets so many at a time go on with what takes as long as they like.
func (o Options) seated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := o.seats.Take(operator(r))
		if err != nil {
			w.Header().Set("Retry-After", "10")
			o.refuseAdmin(w, r, http.StatusTooManyRequests, err.Error())
			return
		}
		defer leave()
		next(w, r)
	}
}

// sameOrigin refuses what a browser asks for another page than the hub's own, which
// would do it in its operator's name, unless the operator follows a link here. A
// cookie is sent to all ports of a machine's name: another port's page is another's.
func (o Options) sameOrigin(next http.Handler) http.Handler {
	writes := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site, follows := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.URL.Path == "/"
		if err := writes.Check(r); err != nil || (site == "cross-site" || site == "same-site") && !follows {
			o.refuseAdmin(w, r, http.StatusForbidden, "this was asked by a page of another site")
			return
		}
		next.ServeHTTP(w, r)
	})
}

package web

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"framehub/audit"
	"framehub/operators"
)

// Me is the answer of GET /api/me: who asks.
type Me struct {
	Name   string         `json:"name,omitempty"` // left out where nobody is asked who he is
	Role   operators.Role `json:"role"`           // anyone: not logged in
	Logins bool           `json:"logins"`         // there are accounts here, or can be
	Login  bool           `json:"login"`          // it is a login, which one can leave
	First  bool           `json:"first"`          // there is no account yet: a one-time link makes one
}

// Credentials is the body of POST /api/login.
type Credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// NewAccount is the body of POST /api/accounts.
type NewAccount struct {
	Link     string `json:"link"` // the secret of a one-time link
	Name     string `json:"name" jsonschema:"minLength=1,maxLength=64"`
	Password string `json:"password" jsonschema:"minLength=12,maxLength=256"`
}

// NewPassword is the body of POST /api/password.
type NewPassword struct {
	Old string `json:"old"`
	New string `json:"new" jsonschema:"minLength=12,maxLength=256"`
}

// Leaving is the body of POST /api/logout. All of it may be left out.
type Leaving struct {
	Everywhere bool `json:"everywhere,omitempty"` // all logins of the account
}

// me says who asks, also where nobody has logged in: the page asks that first.
func (o Options) me(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r)
	if c.role == "" {
		c.role = operators.Anyone
	}
	m := Me{Name: c.name, Role: c.role, Logins: o.Operators != nil, Login: c.login != ""}
	if o.Operators != nil && c.role == operators.Anyone {
		list, err := o.Operators.List()
		if err != nil {
			o.failed(w, r, err)
			return
		}
		m.First = len(list) == 0
	}
	writeJSON(w, m)
}

// login logs in who knows the password of an account.
func (o Options) login(w http.ResponseWriter, r *http.Request) {
	var c Credentials
	if !o.takes(w, r, &c) {
		return
	}
	l, err := o.Operators.Enter(r.Context(), attempt(r, c.Name, c.Password))
	o.begun(w, r, c.Name, &l, err)
}

// newAccount makes an account with a one-time link.
func (o Options) newAccount(w http.ResponseWriter, r *http.Request) {
	var n NewAccount
	if !o.takes(w, r, &n) {
		return
	}
	l, err := o.Operators.Redeem(r.Context(), n.Link, attempt(r, n.Name, n.Password))
	if err == nil {
		o.Audit.Add(audit.Account, audit.Record{User: l.Name, Remote: r.RemoteAddr, Code: "made", Reason: "with a one-time link, as " + string(l.Role)})
	}
	o.begun(w, r, n.Name, &l, err)
}

// password changes the password of who has logged in, and ends his other logins.
func (o Options) password(w http.ResponseWriter, r *http.Request) {
	var n NewPassword
	c := callerOf(r)
	if !o.takes(w, r, &n) {
		return
	}
	if c.login == "" {
		http.Error(w, "a token has no password: log in to change one", http.StatusBadRequest)
		return
	}
	l, err := o.Operators.ChangePassword(r.Context(), attempt(r, c.name, n.Old), n.New)
	if errors.Is(err, operators.ErrWrong) {
		err = errWrongOld
	}
	if err == nil {
		o.Audit.Add(audit.Account, audit.Record{User: l.Name, Remote: r.RemoteAddr, Code: "password", Reason: "changed: earlier logins have ended"})
	}
	o.begun(w, r, c.name, &l, err)
}

var errWrongOld = errors.New("that is not the password up to now")

// logout ends a login, or all of its account.
func (o Options) logout(w http.ResponseWriter, r *http.Request) {
	var l Leaving
	c := callerOf(r)
	if !o.takes(w, r, &l) {
		return
	}
	if c.login == "" {
		http.Error(w, "a token has no login: revoke it instead", http.StatusBadRequest)
		return
	}
	err := o.Operators.Leave(r.Context(), c.login)
	if l.Everywhere {
		err = errors.Join(err, o.Operators.EndLogins(c.name))
	}
	if err != nil {
		o.failed(w, r, err)
		return
	}
	setCookie(w, r, loginCookie, "", -1)
	rec := audit.Record{User: c.name, Remote: r.RemoteAddr}
	if l.Everywhere {
		rec.Reason = "all logins of the account"
	}
	o.Audit.Add(audit.OperatorLogout, rec)
	writeJSON(w, Me{Role: operators.Anyone, Logins: true})
}

// takes reads the body of a request that is about accounts, if there are any.
func (o Options) takes(w http.ResponseWriter, r *http.Request, v any) bool {
	if o.Operators == nil {
		http.Error(w, "this hub has no accounts of operators", http.StatusNotFound)
		return false
	}
	if err := readJSON(w, r, v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func attempt(r *http.Request, name, password string) operators.Attempt {
	return operators.Attempt{Name: name, Password: password, Address: r.RemoteAddr, Known: cookie(r, knownCookie)}
}

// begun answers with a login that has begun, or says why it has not.
func (o Options) begun(w http.ResponseWriter, r *http.Request, name string, l *operators.Login, err error) {
	if before := loginOf(r); err == nil && before != "" { // nobody else goes on with it
		err = o.Operators.Leave(r.Context(), before)
	}
	if err == nil {
		setCookie(w, r, loginCookie, l.Token, 0)
		setCookie(w, r, knownCookie, l.Known, operators.RememberFor)
		o.Audit.Add(audit.OperatorLogin, audit.Record{User: l.Name, Remote: r.RemoteAddr, Code: string(l.Role)})
		writeJSON(w, Me{Name: l.Name, Role: l.Role, Logins: true, Login: true})
		return
	}
	var code int
	limited, isLimited := errors.AsType[*operators.LimitedError](err)
	_, isInvalid := errors.AsType[*operators.InvalidError](err)
	switch {
	case isInvalid, errors.Is(err, operators.ErrExists), errors.Is(err, errWrongOld):
		code = http.StatusUnprocessableEntity
	case errors.Is(err, operators.ErrWrong), errors.Is(err, operators.ErrLink), errors.Is(err, operators.ErrEnded):
		code = http.StatusForbidden
	case isLimited:
		code = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(int(limited.Retry.Seconds())+1))
	case errors.Is(err, operators.ErrBusy):
		code = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	default:
		o.failed(w, r, err)
		return
	}
	o.Audit.Add(audit.OperatorRefused, audit.Record{User: name, Remote: r.RemoteAddr, Code: codeText(code), Reason: err.Error()})
	http.Error(w, err.Error(), code)
}

// failed answers what the peer can do nothing about, and is told no more of.
func (o Options) failed(w http.ResponseWriter, r *http.Request, err error) {
	o.Log.Error("the operators' accounts can't be used", "path", r.URL.Path, "err", err)
	http.Error(w, errUnusable.Error(), http.StatusInternalServerError)
}

// The cookies.
const (
	loginCookie = "login"
	knownCookie = "known" // of a browser that has logged in before
)

// cookieName tells the cookies of hubs on the same machine apart, which share them
// whatever their ports are. Over TLS no neighbour of the name can set them.
func cookieName(r *http.Request, name string) string {
	name = "framehub-" + name
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		name += "-" + port
	}
	if secureHost(r) {
		return "__Host-" + name
	}
	return name
}

// secureHost says whether browsers are to send cookies over TLS alone: always, but
// to this machine's own names without it. Elsewhere a proxy may have taken TLS off.
func secureHost(r *http.Request) bool { return r.TLS != nil || !own(r.Host) }

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(cookieName(r, name))
	if err != nil {
		return ""
	}
	return c.Value
}

func loginOf(r *http.Request) string { return cookie(r, loginCookie) }

// setCookie lets a browser keep a value for a time: 0 until it is closed, below 0
// no longer.
func setCookie(w http.ResponseWriter, r *http.Request, name, value string, keep time.Duration) {
	c := &http.Cookie{ //nolint:gosec // Secure but on this machine's own names without TLS, which have none to be secure by
		Name: cookieName(r, name), Value: value, Path: "/",
		Secure: secureHost(r), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		MaxAge: int(keep.Seconds()),
	}
	if keep < 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

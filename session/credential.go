package session

import (
	"net/http"
	"net/url"
	"strings"

	"framehub/session/wire"
)

// A credential is what an upgrade request says of who connects.
type credential struct {
	bearer string // the token of its Authorization header
	bad    string // why it can't be taken, or ""
}

// credentialOf reads a request. Authorization of another kind than Bearer is for
// somebody on the way, and none of the session's.
func credentialOf(r *http.Request) credential {
	parameters, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return credential{bad: "the parameters of the URL can't be read: leave them out"} // a token may be among them
	}
	for name := range parameters {
		if strings.EqualFold(name, "token") || strings.EqualFold(name, "access_token") {
			return credential{bad: "a token may not stand in the URL, which others write into logs: " +
				"send it in the Authorization header or in hello, and a new one, for this one may have been seen"}
		}
	}
	var c credential
	for _, value := range r.Header.Values("Authorization") {
		kind, token, _ := strings.Cut(value, " ")
		if !strings.EqualFold(kind, "Bearer") {
			continue
		}
		if token = strings.TrimSpace(token); c.bearer != "" && c.bearer != token {
			return credential{bad: "there is more than one token in the Authorization header"}
		}
		c.bearer = token
	}
	return c
}

// complete gives the hello the token of the upgrade request.
func (c *credential) complete(hello *wire.DeviceHello) error {
	switch {
	case c.bad != "":
		return protocolErrorf("%s", c.bad)
	case c.bearer == "":
	case hello.Token == "" || hello.Token == c.bearer:
		hello.Token = c.bearer
	default:
		return protocolErrorf("the Authorization header and the hello have different tokens: send one of them")
	}
	return nil
}

// bearer returns a header with a token in it, beside what header has.
func bearer(header http.Header, token string) http.Header {
	if token == "" {
		return header
	}
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Authorization", "Bearer "+token)
	return header
}

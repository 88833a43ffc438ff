package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxToken is the size of the largest token that is looked at, in bytes.
	MaxToken = 8 << 10

	// Leeway is how far the clocks of those who make tokens may be from the hub's.
	Leeway = 30 * time.Second

	maxUser = 256 // bytes of a user's name, and of a token's id
)

// A Verifier makes an identity of a token. Its errors are denials when the token
// is not good. Verify may be called from any goroutine.
type Verifier interface {
	Verify(ctx context.Context, token string) (Identity, error)
}

// rules are what a token must be, beside signed by one of the keys.
type rules struct {
	methods  []string // of signing, as "EdDSA"
	issuer   string
	audience string
	role     string // the claim that has the roles
	needID   bool   // every token has an id
}

// verify checks a token by the rules, with the key that keys returns for it.
func (r *rules) verify(token string, keys jwt.Keyfunc) (Identity, error) {
	switch {
	case token == "":
		return Identity{}, deny(ErrNoToken, "")
	case len(token) > MaxToken:
		return Identity{}, deny(ErrTooLarge, "")
	case strings.ContainsAny(token, "\r\n"): // which Go's base64 passes over
		return Identity{}, deny(ErrInvalid, "it is no JWT")
	}
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(
		jwt.WithValidMethods(r.methods), jwt.WithIssuer(r.issuer), jwt.WithAudience(r.audience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(Leeway), jwt.WithJSONNumber(), jwt.WithStrictDecoding(),
	)
	_, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if _, ok := t.Header["crit"]; ok {
			return nil, errCritical
		}
		if err := checkClaims(token, claims); err != nil {
			return nil, err
		}
		return keys(t)
	})
	if err != nil {
		return Identity{}, denial(err)
	}
	return r.identity(claims)
}

// errCritical means that a token must not be read by who does not know something
// that it uses (RFC 7515, 4.1.11); nothing of that kind is known here.
var errCritical = errors.New("critical header")

var (
	errTime   = errors.New("a time that can't be one")
	errClaims = errors.New("claims that are no JSON")
)

// checkClaims says what the library does not see in the claims of a token: that
// something follows their JSON, and times so far away that they overflow, and are
// in the past then.
func checkClaims(token string, claims jwt.MapClaims) error {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || !json.Valid(text) {
		return errClaims
	}
	const most = 253402300800 // the year 10,000
	for _, name := range []string{"exp", "nbf", "iat"} {
		if n, ok := claims[name].(json.Number); ok {
			if seconds, err := n.Float64(); err != nil || math.Abs(seconds) >= most {
				return errTime
			}
		}
	}
	return nil
}

// denial puts the library's words into ours, which never quote the token. It
// looks at claims only after the signature, and at all of them then: a token that
// is not for this hub is told nothing of its times.
func denial(err error) error {
	for _, known := range []struct {
		is     error
		reason error
		detail string
	}{
		{jwt.ErrTokenMalformed, ErrInvalid, "it is no JWT"},
		{errUnknownKey, ErrInvalid, "no key is known by the id that it names"},
		{errCritical, ErrInvalid, "its header has crit"},
		{errTime, ErrInvalid, "its exp, nbf or iat is out of range"},
		{errClaims, ErrInvalid, "its claims are no JSON"},
		{jwt.ErrTokenUnverifiable, ErrInvalid, "no key fits it, or its algorithm"},
		{jwt.ErrTokenSignatureInvalid, ErrInvalid, "its signature or algorithm is not the issuer's"},
		{jwt.ErrTokenInvalidIssuer, ErrInvalid, "it is from another issuer"},
		{jwt.ErrTokenInvalidAudience, ErrAudience, ""},
		{jwt.ErrTokenRequiredClaimMissing, ErrInvalid, "it has no exp, iss or aud"},
		{jwt.ErrInvalidType, ErrInvalid, "a claim is of the wrong type"},
		{jwt.ErrTokenExpired, ErrExpired, ""},
		{jwt.ErrTokenNotValidYet, ErrNotYet, ""},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYet, ""},
	} {
		if errors.Is(err, known.is) {
			return deny(known.reason, known.detail)
		}
	}
	return deny(ErrInvalid, "a claim can't be read")
}

// identity reads the claims of a token whose signature, times, issuer and audience
// are good.
func (r *rules) identity(claims jwt.MapClaims) (Identity, error) {
	var id Identity
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return Identity{}, deny(ErrInvalid, "its exp can't be read")
	}
	id.Expires = expires.Time
	issued, err := claims.GetIssuedAt()
	if err != nil {
		return Identity{}, deny(ErrInvalid, "its iat can't be read")
	}
	if issued != nil {
		id.Issued = issued.Time
	}
	id.User, _ = claims["sub"].(string)
	if !isName(id.User) {
		return Identity{}, deny(ErrInvalid, "its sub is no name of a user")
	}
	id.TokenID, _ = claims["jti"].(string)
	if _, given := claims["jti"]; (given || r.needID) && !isName(id.TokenID) {
		return Identity{}, deny(ErrInvalid, "its jti is no id")
	}
	if id.Roles = roles(claims[r.role]); len(id.Roles) == 0 {
		return Identity{}, deny(ErrNoRole, "")
	}
	if id.Scopes, err = scopes(claims["scopes"]); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// isName says whether a text can stand in a log and in a list: it is not empty,
// not long, and has nothing that can't be seen and no space around it.
func isName(s string) bool {
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) } // which turn or break a line, for one
	return s != "" && len(s) <= maxUser && !strings.ContainsFunc(s, hidden) && strings.TrimSpace(s) == s
}

// roles returns those of ours among a claim's, which is a text or a list.
func roles(claim any) []string {
	list, ok := claim.([]any)
	if !ok {
		list = []any{claim}
	}
	var known []string
	for _, v := range list {
		if role, ok := v.(string); ok && slices.Contains(TokenRoles(), role) && !slices.Contains(known, role) {
			known = append(known, role)
		}
	}
	return known
}

// scopes reads the claim of that name: a map from tables to lists of values.
func scopes(claim any) (map[string][]any, error) {
	if claim == nil {
		return nil, nil
	}
	tables, ok := claim.(map[string]any)
	if !ok {
		return nil, deny(ErrInvalid, "its scopes are no map from tables to values")
	}
	out := make(map[string][]any, len(tables))
	for table, claim := range tables {
		values, ok := claim.([]any)
		if !ok {
			return nil, deny(ErrInvalid, "its scopes of a table are no list")
		}
		out[table] = make([]any, 0, len(values))
		for _, v := range values {
			v, err := scopeValue(v)
			if err != nil {
				return nil, err
			}
			out[table] = append(out[table], v)
		}
	}
	return out, nil
}

func scopeValue(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		if f, err := v.Float64(); err == nil {
			return f, nil
		}
	}
	return nil, deny(ErrInvalid, "a value among its scopes is neither a text nor a number")
}

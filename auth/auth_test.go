package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"framehub/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer   = "https://issuer.test"
	audience = "game.test"
)

// The keys of an issuer, and one that is not its.
var (
	rsaKey    = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey     = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	edKey     = newEd25519()
	strangers = newEd25519()
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newEd25519() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

// good is what a good token of the issuer says.
func good() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "alice", "jti": "one", "role": "device",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
}

// with is good with other claims; nil takes one out.
func with(more jwt.MapClaims) jwt.MapClaims {
	claims := good()
	maps.Copy(claims, more)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// sign signs a token; header is put over what the method sets.
func sign(t *testing.T, method jwt.SigningMethod, key any, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// unsigned makes a token of any header, with any bytes for a signature.
func unsigned(header string, claims jwt.MapClaims, signature string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(header)) + "." + b64(must(json.Marshal(claims))) + "." + b64([]byte(signature))
}

func publicPEM(key crypto.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))})
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// foreign believes the issuer's tokens by its JWK set.
func foreign(t *testing.T) *auth.Foreign {
	t.Helper()
	keys, err := auth.OpenKeySet(t.Context(), write(t, "jwks.json", jwks(t, "rsa", &rsaKey.PublicKey, "ec", &ecKey.PublicKey, "ed", edKey.Public())))
	if err != nil {
		t.Fatal(err)
	}
	return must(auth.NewForeign(auth.ForeignOptions{Issuer: issuer, Audience: audience, Keys: keys}))
}

// jwks encodes pairs of a key's id and a key as a set.
func jwks(t *testing.T, pairs ...any) []byte {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	keys := []map[string]any{}
	for pair := range slices.Chunk(pairs, 2) {
		m := map[string]any{"kid": pair[0]}
		switch k := pair[1].(type) {
		case *rsa.PublicKey:
			m["kty"], m["n"], m["e"], m["use"], m["alg"] = "RSA", b64(k.N.Bytes()), "AQAB", "sig", "RS256"
		case *ecdsa.PublicKey:
			point := must(k.Bytes())
			m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
		case ed25519.PublicKey:
			m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(k)
		case map[string]any:
			maps.Copy(m, k)
		default:
			t.Fatalf("a %T", k)
		}
		keys = append(keys, m)
	}
	return must(json.Marshal(map[string]any{"keys": keys}))
}

func TestForeign(t *testing.T) {
	f := foreign(t)
	for name, token := range map[string]string{
		"RS256":               sign(t, jwt.SigningMethodRS256, rsaKey, map[string]any{"kid": "rsa"}, good()),
		"ES256":               sign(t, jwt.SigningMethodES256, ecKey, map[string]any{"kid": "ec"}, good()),
		"EdDSA":               sign(t, jwt.SigningMethodEdDSA, edKey, map[string]any{"kid": "ed"}, good()),
		"no kid":              sign(t, jwt.SigningMethodEdDSA, edKey, nil, good()),
		"more audiences":      sign(t, jwt.SigningMethodEdDSA, edKey, nil, with(jwt.MapClaims{"aud": []string{"other", audience}})),
		"expired within 30 s": sign(t, jwt.SigningMethodEdDSA, edKey, nil, with(jwt.MapClaims{"exp": time.Now().Add(-20 * time.Second).Unix()})),
		"to come within 30 s": sign(t, jwt.SigningMethodEdDSA, edKey, nil, with(jwt.MapClaims{"nbf": time.Now().Add(20 * time.Second).Unix()})),
		"roles of others too": sign(t, jwt.SigningMethodEdDSA, edKey, nil, with(jwt.MapClaims{"role": []string{"mail", "device"}})),
		"without an id":       sign(t, jwt.SigningMethodEdDSA, edKey, nil, with(jwt.MapClaims{"jti": nil})),
	} {
		t.Run(name, func(t *testing.T) {
			id, err := f.Verify(t.Context(), token)
			if err != nil || id.User != "alice" || !slices.Equal(id.Roles, []string{"device"}) || id.Scopes != nil {
				t.Fatalf("%+v, %v", id, err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	ed := func(more jwt.MapClaims) string { return sign(t, jwt.SigningMethodEdDSA, edKey, nil, with(more)) }
	header := func(h map[string]any) string { return sign(t, jwt.SigningMethodEdDSA, edKey, h, good()) }
	whole := ed(nil)
	parts := strings.Split(whole, ".")
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"nothing":                        {"", auth.ErrNoToken},
		"no JWT":                         {"secret", auth.ErrInvalid},
		"spaces":                         {" " + whole, auth.ErrInvalid},
		"larger than 8 KiB":              {ed(jwt.MapClaims{"fat": strings.Repeat("a", 8<<10)}), auth.ErrTooLarge},
		"many dots":                      {strings.Repeat(".", 8000), auth.ErrInvalid},
		"no signature":                   {parts[0] + "." + parts[1] + ".", auth.ErrInvalid},
		"two parts":                      {parts[0] + "." + parts[1], auth.ErrInvalid},
		"other claims, same signature":   {parts[0] + "." + strings.Split(ed(jwt.MapClaims{"sub": "bob"}), ".")[1] + "." + parts[2], auth.ErrInvalid},
		"another spelling of signature":  {whole[:len(whole)-1] + next(whole[len(whole)-1]), auth.ErrInvalid},
		"padded":                         {whole + "==", auth.ErrInvalid},
		"alg none":                       {unsigned(`{"alg":"none","typ":"JWT"}`, good(), ""), auth.ErrInvalid},
		"alg None":                       {unsigned(`{"alg":"None"}`, good(), ""), auth.ErrInvalid},
		"alg none, signed by the lib":    {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, good()), auth.ErrInvalid},
		"alg missing":                    {unsigned(`{}`, good(), "x"), auth.ErrInvalid},
		"alg a number":                   {unsigned(`{"alg":7}`, good(), "x"), auth.ErrInvalid},
		"alg unknown":                    {unsigned(`{"alg":"EdDSA2"}`, good(), "x"), auth.ErrInvalid},
		"HMAC with the RSA key's PEM":    {sign(t, jwt.SigningMethodHS256, publicPEM(rsaKey.Public()), map[string]any{"kid": "rsa"}, good()), auth.ErrInvalid},
		"HMAC with the Ed25519 key":      {sign(t, jwt.SigningMethodHS256, []byte(edKey.Public().(ed25519.PublicKey)), nil, good()), auth.ErrInvalid},
		"HS512":                          {sign(t, jwt.SigningMethodHS512, []byte("secret"), nil, good()), auth.ErrInvalid},
		"RS512":                          {sign(t, jwt.SigningMethodRS512, rsaKey, map[string]any{"kid": "rsa"}, good()), auth.ErrInvalid},
		"PS256":                          {sign(t, jwt.SigningMethodPS256, rsaKey, map[string]any{"kid": "rsa"}, good()), auth.ErrInvalid},
		"RS256 under the EC key's id":    {sign(t, jwt.SigningMethodRS256, rsaKey, map[string]any{"kid": "ec"}, good()), auth.ErrInvalid},
		"EdDSA under the RSA key's id":   {header(map[string]any{"kid": "rsa"}), auth.ErrInvalid},
		"an unknown kid":                 {header(map[string]any{"kid": "nobody's"}), auth.ErrInvalid},
		"kid a number":                   {header(map[string]any{"kid": 1}), auth.ErrInvalid},
		"kid a path":                     {header(map[string]any{"kid": "../../../dev/null"}), auth.ErrInvalid},
		"its own key in jwk":             {sign(t, jwt.SigningMethodEdDSA, strangers, map[string]any{"jwk": map[string]any{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(strangers.Public().(ed25519.PublicKey))}}, good()), auth.ErrInvalid},
		"its own keys at jku":            {sign(t, jwt.SigningMethodEdDSA, strangers, map[string]any{"jku": "https://evil.test/jwks"}, good()), auth.ErrInvalid},
		"a stranger's key":               {sign(t, jwt.SigningMethodEdDSA, strangers, nil, good()), auth.ErrInvalid},
		"a stranger's key, expired":      {sign(t, jwt.SigningMethodEdDSA, strangers, nil, with(jwt.MapClaims{"exp": in(-time.Hour)})), auth.ErrInvalid},
		"crit":                           {header(map[string]any{"crit": []string{"exp"}}), auth.ErrInvalid},
		"another audience":               {ed(jwt.MapClaims{"aud": "other"}), auth.ErrAudience},
		"no audience":                    {ed(jwt.MapClaims{"aud": nil}), auth.ErrInvalid},
		"audience a number":              {ed(jwt.MapClaims{"aud": 1}), auth.ErrInvalid},
		"another issuer":                 {ed(jwt.MapClaims{"iss": "https://evil.test"}), auth.ErrInvalid},
		"no issuer":                      {ed(jwt.MapClaims{"iss": nil}), auth.ErrInvalid},
		"another issuer and audience":    {ed(jwt.MapClaims{"iss": "https://evil.test", "aud": "other"}), auth.ErrInvalid},
		"expired":                        {ed(jwt.MapClaims{"exp": in(-time.Minute)}), auth.ErrExpired},
		"expired, for another audience":  {ed(jwt.MapClaims{"exp": in(-time.Minute), "aud": "other"}), auth.ErrAudience},
		"no exp":                         {ed(jwt.MapClaims{"exp": nil}), auth.ErrInvalid},
		"exp a text":                     {ed(jwt.MapClaims{"exp": "tomorrow"}), auth.ErrInvalid},
		"exp beyond time":                {ed(jwt.MapClaims{"exp": 1e300}), auth.ErrInvalid},
		"nbf beyond time":                {ed(jwt.MapClaims{"nbf": 1e300}), auth.ErrInvalid},
		"nbf where time begins again":    {ed(jwt.MapClaims{"nbf": uint64(1 << 63)}), auth.ErrInvalid},
		"iat beyond time":                {ed(jwt.MapClaims{"iat": -1e300}), auth.ErrInvalid},
		"iat in the future":              {ed(jwt.MapClaims{"iat": in(time.Minute)}), auth.ErrNotYet},
		"a line break":                   {whole + "\n", auth.ErrInvalid},
		"a line break within":            {parts[0] + "\r." + parts[1] + "." + parts[2], auth.ErrInvalid},
		"claims twice":                   {signText(string(must(json.Marshal(good()))) + "{}"), auth.ErrInvalid},
		"nbf in the future":              {ed(jwt.MapClaims{"nbf": in(time.Minute)}), auth.ErrNotYet},
		"nbf a text":                     {ed(jwt.MapClaims{"nbf": "x"}), auth.ErrInvalid},
		"iat a text":                     {ed(jwt.MapClaims{"iat": "x"}), auth.ErrInvalid},
		"no user":                        {ed(jwt.MapClaims{"sub": nil}), auth.ErrInvalid},
		"user a number":                  {ed(jwt.MapClaims{"sub": 7}), auth.ErrInvalid},
		"a user who breaks lines":        {ed(jwt.MapClaims{"sub": "alice\nlevel=ERROR"}), auth.ErrInvalid},
		"a user who turns lines":         {ed(jwt.MapClaims{"sub": "alice\u202e"}), auth.ErrInvalid},
		"a user too long":                {ed(jwt.MapClaims{"sub": strings.Repeat("a", 257)}), auth.ErrInvalid},
		"a user with space around":       {ed(jwt.MapClaims{"sub": "alice "}), auth.ErrInvalid},
		"id a number":                    {ed(jwt.MapClaims{"jti": 7}), auth.ErrInvalid},
		"no role":                        {ed(jwt.MapClaims{"role": nil}), auth.ErrNoRole},
		"a role that there is not":       {ed(jwt.MapClaims{"role": "root"}), auth.ErrNoRole},
		"role a number":                  {ed(jwt.MapClaims{"role": 1}), auth.ErrNoRole},
		"role in other letters":          {ed(jwt.MapClaims{"role": "Admin"}), auth.ErrNoRole},
		"scopes a list":                  {ed(jwt.MapClaims{"scopes": []string{"a"}}), auth.ErrInvalid},
		"scopes of a table a value":      {ed(jwt.MapClaims{"scopes": map[string]any{"entity": 1}}), auth.ErrInvalid},
		"scopes with a truth":            {ed(jwt.MapClaims{"scopes": map[string]any{"entity": []any{true}}}), auth.ErrInvalid},
		"scopes with a number too large": {signScopes(`{"entity":[1e999]}`), auth.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := foreign(t).Verify(t.Context(), c.token)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if _, ok := errors.AsType[*auth.DeniedError](err); !ok {
				t.Errorf("%T is no denial", err)
			}
			for part := range strings.SplitSeq(c.token, ".") {
				if len(part) > 5 && strings.Contains(err.Error(), part) {
					t.Errorf("the error holds a part of the token: %v", err)
				}
			}
			for _, claim := range []string{"alice", "evil", "nobody", "/dev", "EdDSA2"} {
				if strings.Contains(err.Error(), claim) {
					t.Errorf("the error quotes the token: %v", err)
				}
			}
		})
	}
}

// next returns the base64 digit that differs from c in its last bit only.
func next(c byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[strings.IndexByte(digits, c)^1:][:1]
}

// signScopes signs claims whose scopes no encoder would write.
func signScopes(scopes string) string {
	claims := with(jwt.MapClaims{"scopes": json.RawMessage(`"SCOPES"`)})
	text := strings.Replace(string(must(json.Marshal(claims))), `"SCOPES"`, scopes, 1)
	return signText(text)
}

// signText signs claims as they stand.
func signText(claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signing := b64([]byte(`{"alg":"EdDSA"}`)) + "." + b64([]byte(claims))
	return signing + "." + b64(ed25519.Sign(edKey, []byte(signing)))
}

func TestScopes(t *testing.T) {
	token := sign(t, jwt.SigningMethodEdDSA, edKey, nil, with(jwt.MapClaims{"scopes": map[string]any{
		"entity": []any{int64(1) << 53, int64(1)<<62 + 1, 2.5, "lobby"}, "chat": []any{},
	}}))
	id, err := foreign(t).Verify(t.Context(), token)
	want := []any{int64(1) << 53, int64(1)<<62 + 1, 2.5, "lobby"}
	if err != nil || !slices.Equal(id.Scopes["entity"], want) || id.Scopes["chat"] == nil || len(id.Scopes) != 2 {
		t.Fatalf("%#v, %v", id.Scopes, err)
	}
}

func TestRoleClaim(t *testing.T) {
	keys, err := auth.ReadPublicKey(write(t, "key.pem", publicPEM(edKey.Public())))
	if err != nil {
		t.Fatal(err)
	}
	f := must(auth.NewForeign(auth.ForeignOptions{Issuer: issuer, Audience: audience, Role: "https://game.test/roles", Keys: keys}))
	claims := with(jwt.MapClaims{"https://game.test/roles": []any{"server", "server", 1, "observer"}})
	id, err := f.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, edKey, nil, claims))
	if err != nil || !slices.Equal(id.Roles, []string{"server", "observer"}) {
		t.Fatalf("%+v, %v", id, err)
	}
}

func TestAllow(t *testing.T) {
	for name, c := range map[string]struct {
		roles []string
		asked string
		want  string
		err   string
	}{
		"none asked":                   {[]string{"server", "device"}, "", "device", ""},
		"none asked, no device":        {[]string{"server", "editor"}, "", "server", ""},
		"asked":                        {[]string{"device", "server"}, "server", "server", ""},
		"less is always allowed":       {[]string{"device"}, "observer", "observer", ""},
		"more is not":                  {[]string{"observer"}, "device", "", "it allows observer"},
		"not among them":               {[]string{"device", "editor"}, "admin", "", "it allows device, editor"},
		"an admin is no game server":   {[]string{"admin"}, "server", "", "it allows admin"},
		"no such role":                 {[]string{"admin"}, "root", "", `there is no role "root"`},
		"a viewer is no session's":     {[]string{"viewer"}, "observer", "", "it allows viewer"},
		"nor is an operator":           {[]string{"operator", "viewer"}, "", "", "it allows operator, viewer"},
		"no session's first":           {[]string{"viewer", "editor"}, "", "editor", ""},
		"a role of no session":         {[]string{"viewer", "device"}, "viewer", "", `there is no role "viewer"`},
		"anyone may be what they like": {auth.Anyone().Roles, "admin", "admin", ""},
		"anyone is a device":           {auth.Anyone().Roles, "", "device", ""},
	} {
		t.Run(name, func(t *testing.T) {
			id := auth.Identity{Roles: c.roles}
			role, err := id.Allow(c.asked)
			if role != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("%q, %v", role, err)
			}
		})
	}
}

func TestOperates(t *testing.T) {
	for roles, want := range map[string]string{
		"viewer": "viewer", "operator": "operator", "admin": "operator", "viewer,operator": "operator", "device,viewer": "viewer", "admin,viewer": "operator",
		"device": "", "server,editor,observer": "",
	} {
		id := auth.Identity{Roles: strings.Split(roles, ",")}
		role, err := id.Operates()
		if role != want || (err == nil) != (want != "") || err != nil && !strings.Contains(err.Error(), "it allows "+strings.ReplaceAll(roles, ",", ", ")) {
			t.Errorf("%s: %q, %v", roles, role, err)
		}
	}
}

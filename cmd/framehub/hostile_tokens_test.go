package main_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// b64 is JWT's base64.
func b64[T ~string | ~[]byte](b T) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }

// goodClaims are those of a good token of mallory's.
func goodClaims() jwt.MapClaims {
	return jwt.MapClaims{"iss": hostileIssuer, "aud": hostileAudience, "sub": "mallory", "role": "device", "exp": time.Now().Add(time.Hour).Unix()}
}

// claimsWith is good claims with others; nil takes one out.
func claimsWith(name string, v any) jwt.MapClaims {
	claims := goodClaims()
	if claims[name] = v; v == nil {
		delete(claims, name)
	}
	return claims
}

// A tokenCases collects cases that are one token each.
type tokenCases struct {
	w     *hostileWorld
	cases []hostile
}

func (c *tokenCases) add(name, want, words, token string) {
	c.w.hide(token)
	c.cases = append(c.cases, hostile{name: "token: " + name, want: want, words: words, do: func(i *intruder) string {
		return i.greet(dict{"token": token, "subs": list{}})
	}})
}

// headerCases are tokens that nobody has signed, or somebody else, or in another way.
func (f *forger) headerCases(t *testing.T, w *hostileWorld) []hostile {
	t.Helper()
	c := &tokenCases{w: w}
	const no, notValid = "goodbye 4001", "the token is not valid"
	claims := b64(mustJSON(goodClaims()))
	forged := func(name, header, signature string) { c.add(name, no, notValid, b64(header)+"."+claims+"."+signature) }
	good := f.signed(jwt.SigningMethodEdDSA, f.ed, nil, goodClaims())
	parts := strings.Split(good, ".")

	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "null"} {
		forged("alg "+alg, `{"alg":"`+alg+`","typ":"JWT"}`, "")
		forged("alg "+alg+" with a signature", `{"alg":"`+alg+`","typ":"JWT"}`, parts[2])
	}
	forged("no alg", `{"typ":"JWT"}`, parts[2])
	forged("alg as a list", `{"alg":["none","EdDSA"],"kid":"ed"}`, parts[2])
	forged("alg as null", `{"alg":null,"kid":"ed"}`, parts[2])
	forged("alg twice", `{"alg":"EdDSA","alg":"none","kid":"ed"}`, "")
	forged("no signature", `{"alg":"EdDSA","kid":"ed"}`, "")
	forged("a signature of zeros", `{"alg":"EdDSA","kid":"ed"}`, b64(make([]byte, 64)))
	forged("ES256 of zeros", `{"alg":"ES256","kid":"ec"}`, b64(make([]byte, 64)))
	order := f.ec.Curve.Params().N.FillBytes(make([]byte, 32))
	forged("ES256 of the order of the curve", `{"alg":"ES256","kid":"ec"}`, b64(append(order, order...)))
	forged("RS256 of nothing", `{"alg":"RS256","kid":"rsa"}`, b64(make([]byte, 256)))

	// A public key as the secret of HMAC, in every form that somebody may take it in.
	for name, key := range map[string]any{"ed": f.ed.Public(), "rsa": &f.rsa.PublicKey, "ec": &f.ec.PublicKey} {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		for form, secret := range map[string][]byte{"PEM": text, "PEM without its end": text[:len(text)-1], "DER": der} {
			for _, method := range []*jwt.SigningMethodHMAC{jwt.SigningMethodHS256, jwt.SigningMethodHS512} {
				c.add(method.Alg()+" with the public key "+name+" in "+form, no, notValid, f.signed(method, secret, map[string]any{"kid": name}, goodClaims()))
			}
		}
	}
	c.add("HS256 with the raw public key", no, notValid, f.signed(jwt.SigningMethodHS256, []byte(f.ed.Public().(ed25519.PublicKey)), map[string]any{"kid": "ed"}, goodClaims()))
	c.add("HS256 with an empty secret", no, notValid, f.signed(jwt.SigningMethodHS256, []byte{}, map[string]any{"kid": "ed"}, goodClaims()))

	// Another key, and where to find it.
	sign := func(header map[string]any) string {
		return f.signed(jwt.SigningMethodEdDSA, f.evil, header, goodClaims())
	}
	evil := map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "evil", "x": b64(f.evil.Public().(ed25519.PublicKey))}
	c.add("another key", no, notValid, sign(nil))
	c.add("another key without its id", no, notValid, sign(map[string]any{"kid": nil}))
	c.add("another key that it brings along", no, notValid, sign(map[string]any{"jwk": evil}))
	c.add("another key that it brings along, by its id", no, notValid, sign(map[string]any{"jwk": evil, "kid": "evil"}))
	for _, name := range []string{"jku", "x5u"} {
		c.add("another key at "+name, no, notValid, sign(map[string]any{name: "http://127.0.0.1:1/jwks.json", "kid": "evil"}))
	}
	c.add("another key in x5c", no, notValid, sign(map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(f.evil.Public().(ed25519.PublicKey))}}))
	for name, kid := range map[string]any{
		"a path": "../../../../dev/null", "SQL": "ed' UNION SELECT 'secret' --", "a URL": "http://127.0.0.1:1/key", "a command": "$(id)|id", "nothing": "",
		"a NUL": "ed\x00", "a number": 1, "a list": []string{"ed"}, "a megabyte less": strings.Repeat("k", 4000), "true": true,
	} {
		c.add("another key by "+name, no, notValid, sign(map[string]any{"kid": kid}))
	}
	c.add("the key of another method", no, notValid, f.signed(jwt.SigningMethodEdDSA, f.ed, map[string]any{"kid": "ec"}, goodClaims()))
	c.add("a method of another key", no, notValid, f.signed(jwt.SigningMethodES256, f.ec, map[string]any{"kid": "ed"}, goodClaims()))
	c.add("RS512 with a good key", no, notValid, f.signed(jwt.SigningMethodRS512, f.rsa, map[string]any{"kid": "rsa"}, goodClaims()))
	c.add("PS256 with a good key", no, notValid, f.signed(jwt.SigningMethodPS256, f.rsa, map[string]any{"kid": "rsa"}, goodClaims()))
	c.add("crit", no, notValid, f.signed(jwt.SigningMethodEdDSA, f.ed, map[string]any{"crit": []string{"exp"}}, goodClaims()))
	c.add("b64 that is critical", no, notValid, f.signed(jwt.SigningMethodEdDSA, f.ed, map[string]any{"crit": []string{"b64"}, "b64": false}, goodClaims()))

	// A good token that somebody has had his hands on.
	ec := strings.Split(f.signed(jwt.SigningMethodES256, f.ec, nil, goodClaims()), ".")
	signature, err := base64.RawURLEncoding.DecodeString(ec[2])
	if err != nil {
		t.Fatal(err)
	}
	asDER, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])})
	if err != nil {
		t.Fatal(err)
	}
	admin := b64(mustJSON(claimsWith("role", "admin")))
	for name, token := range map[string]string{
		"another user's claims": parts[0] + "." + b64(mustJSON(claimsWith("sub", "bob"))) + "." + parts[2], "a better role": parts[0] + "." + admin + "." + parts[2],
		"a cut signature": good[:len(good)-8], "a longer signature": good + "AAAA", "no last part": parts[0] + "." + parts[1], "a part more": good + ".AAAA",
		"five parts, as encrypted": b64(`{"alg":"dir","enc":"A256GCM"}`) + "..AAAA.AAAA.AAAA", "padding": parts[0] + "." + parts[1] + "." + parts[2] + "==",
		"a line break": good + "\n", "a space before it": " " + good, "Bearer before it": "Bearer " + good, "a NUL behind it": good + "\x00",
		"another letter that means the same": good[:len(good)-1] + string(sibling(good[len(good)-1])), "plain base64": base64.StdEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"ed","x":"~~~???"}`)) + "." + parts[1] + "." + parts[2],
		"an ES256 signature in DER": ec[0] + "." + ec[1] + "." + b64(asDER), "an ES256 signature cut": ec[0] + "." + ec[1] + "." + b64(signature[:63]),
		"an ES256 signature with zeros before": ec[0] + "." + ec[1] + "." + b64(append(make([]byte, 2), signature...)), "JSON": `{"alg":"none"}`, "dots": "...", "two dots": "..",
	} {
		c.add("a good one, with "+name, no, notValid, token)
	}
	c.add("larger than 8 KiB", no, "larger than", f.signed(jwt.SigningMethodEdDSA, f.ed, nil, claimsWith("x", strings.Repeat("x", 8<<10))))

	c.add("good", "hello", "", good)
	c.add("good, with ES256", "hello", "", strings.Join(ec, "."))
	c.add("good, with RS256", "hello", "", f.signed(jwt.SigningMethodRS256, f.rsa, nil, goodClaims()))
	c.add("good, without its key's id", "hello", "", f.signed(jwt.SigningMethodRS256, f.rsa, map[string]any{"kid": nil}, goodClaims()))
	return c.cases
}

// sibling is the letter of base64 after one, which differs in its last bits.
func sibling(c byte) byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, c)^1]
}

// claimCases are tokens with a good signature that say something they should not.
func (f *forger) claimCases(w *hostileWorld) []hostile {
	c := &tokenCases{w: w}
	sign := func(claims jwt.MapClaims) string { return f.signed(jwt.SigningMethodEdDSA, f.ed, nil, claims) }
	add := func(name, words, claim string, v any) {
		c.add(name, "goodbye 4001", words, sign(claimsWith(claim, v)))
	}
	const notValid = "not valid"
	now := time.Now().Unix()
	add("no exp", notValid, "exp", nil)
	add("expired", "has expired", "exp", now-60)
	add("exp 0", "has expired", "exp", 0)
	add("exp below 0", "has expired", "exp", -1)
	add("exp as a text", notValid, "exp", "9999999999")
	add("exp as a list", notValid, "exp", []int64{now + 3600})
	add("exp as an object", notValid, "exp", map[string]any{})
	add("exp true", notValid, "exp", true)
	add("exp 1e300", notValid, "exp", json.RawMessage("1e300"))
	add("exp 2^63", notValid, "exp", json.RawMessage("9223372036854775808"))
	add("exp 1e999", notValid, "exp", json.RawMessage("1e999"))
	add("nbf in an hour", "not valid yet", "nbf", now+3600)
	add("nbf 1e300", notValid, "nbf", json.RawMessage("1e300"))
	add("nbf 2^63", notValid, "nbf", json.RawMessage("9223372036854775808"))
	add("nbf as a text", notValid, "nbf", "0")
	add("made in an hour", "not valid yet", "iat", now+3600)
	add("iat 1e300", notValid, "iat", json.RawMessage("1e300"))
	add("iat as a text", notValid, "iat", "now")
	add("another issuer", notValid, "iss", "https://evil.test")
	add("an issuer that begins as ours", notValid, "iss", hostileIssuer+".evil.test")
	add("our issuer with a slash", notValid, "iss", hostileIssuer+"/")
	add("our issuer in capitals", notValid, "iss", strings.ToUpper(hostileIssuer))
	add("a list of issuers", notValid, "iss", []string{hostileIssuer})
	add("no issuer", notValid, "iss", nil)
	add("another audience", "another audience", "aud", "shop")
	add("a list of other audiences", "another audience", "aud", []string{"shop", "game2"})
	add("no audience", notValid, "aud", nil)
	add("an empty audience", "", "aud", "")
	add("an audience as an object", notValid, "aud", map[string]any{"game": true})
	add("no sub", notValid, "sub", nil)
	add("an empty sub", notValid, "sub", "")
	add("a sub of a number", notValid, "sub", 1)
	add("a sub of a list", notValid, "sub", []string{"mallory"})
	add("a sub of 257 bytes", notValid, "sub", strings.Repeat("m", 257))
	for name, sub := range map[string]string{
		"a line break": "mallory\n12:00:00 INF forged", "an escape": "\x1b[2J", "a NUL": "mallory\x00", "a writing direction": "\u202eyrollam", "a zero width space": "mal\u200blory",
		"a byte order mark": "\ufeffmallory", "a space before it": " mallory", "a space behind it": "mallory\u00a0",
	} {
		add("a sub with "+name, notValid, "sub", sub)
	}
	add("no role", "no role", "role", nil)
	add("a role that there is not", "no role", "role", "root")
	add("a role in capitals", "no role", "role", "ADMIN")
	add("roles of anything but texts", "no role", "role", []any{1, nil, true, map[string]any{}, []string{"admin"}})
	add("a role as an object", "no role", "role", map[string]any{"admin": true})
	add("roles in one text", "no role", "role", "device,admin")
	add("scopes as a list", notValid, "scopes", []string{"thing"})
	add("scopes of a number", notValid, "scopes", map[string]any{"thing": 7})
	add("scopes of an object", notValid, "scopes", map[string]any{"thing": []any{map[string]any{}}})
	add("scopes of 1e999", notValid, "scopes", map[string]any{"thing": []any{json.RawMessage("1e999")}})
	add("an id of a number", notValid, "jti", 1)
	add("an empty id", notValid, "jti", "")
	add("a revoked id", "revoked", "jti", "stolen-id")

	add("a user whose tokens are revoked, without a time", "revoked", "sub", "dave")
	old := claimsWith("sub", "dave")
	old["iat"] = 1_000_000_000
	c.add("a user whose older tokens are revoked", "goodbye 4001", "revoked", sign(old))
	for name, text := range map[string]string{
		"no JSON": `{"iss"`, "a list": `[]`, "null": `null`, "a text": `"mallory"`, "JSON twice": string(mustJSON(goodClaims())) + `{}`, "a thousand lists in each other": `{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
	} {
		c.add("claims that are "+name, "goodbye 4001", "", f.signedText(text))
	}
	twice := strings.TrimSuffix(string(mustJSON(goodClaims())), "}")
	c.add("a claim twice, of which the last counts", "goodbye 4001", "has expired", f.signedText(twice+`,"exp":1}`))
	c.add("sub in two spellings", "hello", "", f.signedText(twice+`,"SUB":"bob"}`))
	c.add("roles among which one is good", "hello", "", sign(claimsWith("role", []any{"root", 1, "device"})))
	c.add("audiences among which is ours", "hello", "", sign(claimsWith("aud", []string{"shop", hostileAudience})))
	c.add("a later exp with a fraction", "hello", "", sign(claimsWith("exp", float64(now)+3600.5)))
	return c.cases
}

// signedText signs claims as they stand.
func (f *forger) signedText(claims string) string {
	text := b64(`{"alg":"EdDSA","kid":"ed"}`) + "." + b64(claims)
	return text + "." + b64(ed25519.Sign(f.ed, []byte(text)))
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

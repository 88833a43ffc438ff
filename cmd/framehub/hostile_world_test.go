package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"framehub/auth"
)

// hostileSchema has what SQL can refuse by, and names that are hard to quote.
const hostileSchema = `
	CREATE TABLE beat(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
	CREATE TABLE note(id TEXT PRIMARY KEY, body TEXT, data BLOB) STRICT;
	CREATE TABLE chat(id INTEGER PRIMARY KEY, name TEXT, message TEXT) STRICT;
	CREATE TABLE thing(id INTEGER PRIMARY KEY, zone INTEGER, owner TEXT, x REAL) STRICT;
	CREATE TABLE purse(id INTEGER PRIMARY KEY, coins INTEGER NOT NULL DEFAULT 0, stamp TEXT NOT NULL DEFAULT 'x', label TEXT UNIQUE,
		worth INTEGER NOT NULL DEFAULT 0 CHECK (worth BETWEEN 0 AND 100)) STRICT;
	CREATE TABLE number(id INTEGER PRIMARY KEY, i INTEGER, r REAL, p REAL, a ANY) STRICT;
	CREATE TABLE loose(id INTEGER PRIMARY KEY, i INT, n NUMERIC, t TEXT, more INT AS (i + 1) STORED, r REAL CHECK (r IS NULL OR r = r));
	CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES purse(id) DEFERRABLE INITIALLY DEFERRED) STRICT;
	CREATE TABLE word(id INTEGER PRIMARY KEY, w TEXT CHECK (w NOT GLOB '*[^a-z]*'), l TEXT CHECK (l NOT LIKE '%a%b%c%d%e%f%g%')) STRICT;
	CREATE TABLE raise(id INTEGER PRIMARY KEY, how TEXT, what ANY) STRICT;
	CREATE TRIGGER raise_abort BEFORE INSERT ON raise WHEN new.how = 'abort' BEGIN SELECT RAISE(ABORT, 'it is aborted'); END;
	CREATE TRIGGER raise_fail AFTER INSERT ON raise WHEN new.how = 'fail' BEGIN SELECT RAISE(FAIL, 'it has failed'); END;
	CREATE TRIGGER raise_rollback AFTER INSERT ON raise WHEN new.how = 'rollback' BEGIN SELECT RAISE(ROLLBACK, 'it is rolled back'); END;
	CREATE TRIGGER raise_ignore BEFORE INSERT ON raise WHEN new.how = 'ignore' BEGIN SELECT RAISE(IGNORE); END;
	CREATE TRIGGER raise_say BEFORE INSERT ON raise WHEN new.how = 'say' BEGIN SELECT RAISE(ABORT, new.what); END;
	CREATE TRIGGER raise_path BEFORE INSERT ON raise WHEN new.how = 'path' BEGIN SELECT json_extract('{}', new.what); END;
	CREATE TRIGGER raise_text AFTER INSERT ON raise WHEN new.how = 'text' BEGIN UPDATE raise SET how = CAST(new.what AS TEXT) WHERE id = new.id; END;
	CREATE TRIGGER raise_real AFTER INSERT ON raise WHEN new.how = 'real' BEGIN UPDATE raise SET what = 1e308 * 10 WHERE id = new.id; END;
	CREATE TRIGGER raise_again AFTER INSERT ON raise WHEN new.how = 'again' BEGIN INSERT INTO raise VALUES (new.id + 1, 'again', NULL); END;
	CREATE TABLE numbered(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT) STRICT;
	CREATE TABLE ring(id INTEGER PRIMARY KEY) STRICT;
	CREATE TRIGGER ring_rings AFTER INSERT ON ring BEGIN INSERT INTO numbered(v) VALUES ('rung'); END;
	CREATE TABLE secret(id INTEGER PRIMARY KEY, word TEXT) STRICT;
	CREATE TABLE ledger(id INTEGER PRIMARY KEY, v INTEGER) STRICT;
	CREATE TABLE _private(id INTEGER PRIMARY KEY, v TEXT) STRICT;
	CREATE TABLE "x""; DROP TABLE note;--"(id INTEGER PRIMARY KEY, "select" TEXT, "a""b'c" TEXT) STRICT;
	INSERT INTO secret VALUES (1, 'swordfish');
	INSERT INTO _private VALUES (1, 'nobody sees it');
	INSERT INTO ledger VALUES (1, 100);
	INSERT INTO purse(id, coins, label) VALUES (1, 5, 'taken');
	INSERT INTO thing VALUES (1, 7, 'bob', 0.5), (2, 8, 'bob', 0.5), (3, 7, NULL, 0.5), (4, 7, 'mallory', 0.5), (5, 7, 'mallory', 0.5);
	INSERT INTO number VALUES (1, 9223372036854775807, 1e308, 0.5, 1), (2, -9223372036854775808, 0.5, 0.5, 'text');
	INSERT INTO loose(id, i) VALUES (1, 1);
	INSERT INTO note VALUES ('large', NULL, zeroblob(100000)), ('short', 'words', NULL);`

const hostileRules = `
	[limits]
	messages = { rate = 1, burst = 400 }
	rows = { rate = 500, burst = 1000 }
	bytes = { rate = "64KiB", burst = "128KiB" }

	[events]
	shout = { send = ["device"], to = ["scope"], max = 16 }

	[tables]
	beat = { insert = "all", update = "all" }
	note = { insert = "all", update = "all", delete = "all", blob.data.max = 1000 }
	chat = { insert = "all", update = "all", text.name = { max = 8, pattern = "[\\p{L}\\p{M} ]*" }, text.message = { max = 40, trim = true } }
	thing = { insert = "all", update = "all", delete = "all", scope = "zone", scopes = "token", owner = "owner", max-owned = 2 }
	purse = { insert = "all", update = "all", server-only = ["coins"], read-only = ["stamp"] }
	number = { insert = "all", update = "all", precision = { p = 0.001 } }
	loose = { insert = "all", update = "all" }
	child = { insert = "all", update = "all" }
	word = { insert = "all" }
	raise = { insert = "all", update = "all" }
	numbered = { insert = "all", update = "all" }
	ring = { insert = "all" }
	secret = { read = ["server"], insert = ["server"], update = ["server"] }
	"x\"; DROP TABLE note;--" = { insert = "all", update = "all" }`

// tokenWorld is a hub with tokens of its own, attacked by everything but those.
func tokenWorld(t *testing.T) (*hostileWorld, []hostile) {
	t.Helper()
	dir := t.TempDir()
	key, _, err := auth.OpenKey(filepath.Join(dir, "world.key"), "")
	if err != nil {
		t.Fatal(err)
	}
	mint := func(id *auth.Identity) string {
		token, err := key.Mint(id)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	w := newHostileWorld(t, dir, mint, "--auth", "token")
	w.tokens["stranger"] = w.hide(foreignToken(t, t.TempDir()))
	return w, slices.Concat(w.httpCases(), w.frameCases(), w.cborCases(), w.helloCases(), w.sessionCases(),
		w.subCases(), w.deviceCases(), w.ruleCases(), w.sqlCases(), w.textCases(), w.numberCases(), w.floodCases())
}

// The login service of the jwt world.
const (
	hostileIssuer   = "https://login.test"
	hostileAudience = "game"
)

// A forger has the login service's keys, and some of its own.
type forger struct {
	ed   ed25519.PrivateKey
	rsa  *rsa.PrivateKey
	ec   *ecdsa.PrivateKey
	evil ed25519.PrivateKey
}

// jwtWorld is a hub with tokens of a login service, attacked by those.
func jwtWorld(t *testing.T) (*hostileWorld, []hostile) {
	t.Helper()
	f := &forger{}
	var errs [4]error
	_, f.ed, errs[0] = ed25519.GenerateKey(rand.Reader)
	_, f.evil, errs[1] = ed25519.GenerateKey(rand.Reader)
	f.rsa, errs[2] = rsa.GenerateKey(rand.Reader, 2048)
	f.ec, errs[3] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	set := write(t, filepath.Join(dir, "jwks.json"), f.jwks(t))
	revoked := write(t, filepath.Join(dir, "revoked"), "stolen-id\nuser 2020-01-01T00:00:00Z dave\n")
	mint := func(id *auth.Identity) string {
		claims := jwt.MapClaims{"iss": hostileIssuer, "aud": hostileAudience, "sub": id.User, "role": id.Roles, "exp": id.Expires.Unix()}
		if id.Scopes != nil {
			claims["scopes"] = id.Scopes
		}
		return f.signed(jwt.SigningMethodEdDSA, f.ed, nil, claims)
	}
	w := newHostileWorld(t, dir, mint, "--auth", "jwt", "--issuer", hostileIssuer, "--audience", hostileAudience, "--jwks", set, "--revoked", revoked)
	return w, append(f.headerCases(t, w), f.claimCases(w)...)
}

// jwks is the set of the service's public keys.
func (f *forger) jwks(t *testing.T) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := f.ec.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(f.ed.Public().(ed25519.PublicKey))},
		{"kty": "RSA", "kid": "rsa", "n": b64(f.rsa.N.Bytes()), "e": "AQAB"},
		{"kty": "EC", "crv": "P-256", "kid": "ec", "x": b64(point[1:33]), "y": b64(point[33:])},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(set)
}

// signed signs claims with any key; header is put over what the method sets.
func (f *forger) signed(method jwt.SigningMethod, key crypto.PrivateKey, header map[string]any, claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(method, claims)
	kid := map[string]string{"EdDSA": "ed", "RS256": "rsa", "ES256": "ec"}[method.Alg()]
	if kid != "" {
		token.Header["kid"] = kid
	}
	for name, v := range header {
		if token.Header[name] = v; v == nil {
			delete(token.Header, name)
		}
	}
	text, err := token.SignedString(key)
	if err != nil {
		panic(err)
	}
	return text
}

// vectorCases are the golden messages that a hub refuses, sent over a socket.
func (w *hostileWorld) vectorCases(t *testing.T) (all []hostile) {
	t.Helper()
	text, err := os.ReadFile("../../session/wire/testdata/invalid.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Direction, Hex string
		Code                 int
		Limits               json.RawMessage
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if v.Direction != "device" || v.Limits != nil || v.Code == 0 {
			continue // it is about other limits than the hub's
		}
		msg := raw(v.Hex)
		all = append(all, hostile{name: "vector: " + v.Name, want: fmt.Sprintf("goodbye %d", v.Code), do: func(i *intruder) string {
			if strings.HasPrefix(v.Name, "hello: ") {
				i.upgrade()
			} else {
				i.as("mallory", nil)
			}
			i.send(maskedFrame(frameBinary, msg))
			return i.outcome()
		}})
	}
	return all
}

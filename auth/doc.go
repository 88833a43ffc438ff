// Package auth says who connects: it reads tokens, which are JWTs, and makes
// identities of them.
//
// A [Gate] is what the hub asks. Behind it stands a [Verifier]: a [Key] is the
// hub's own, which mints tokens too; [Foreign] believes another issuer's. The
// gate looks at the list of what has been [Revoked] as well, both when a session
// begins and while it lasts.
//
// No error and no log line of this package holds a token, or a text out of one
// that has not been verified.
package auth

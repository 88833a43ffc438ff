package wire

import "github.com/fxamacker/cbor/v2"

var diagnostic = must(cbor.DiagOptions{
	ByteStringText:  false,
	MaxNestedLevels: maxDepth,
}.DiagMode())

// Diagnose returns a message, or a block, in CBOR's diagnostic notation
// (RFC 8949, section 8), for people and test vectors. Typed arrays show as
// tagged byte strings, and a packed message as its bytes.
func Diagnose(msg []byte) (string, error) {
	s, err := diagnostic.Diagnose(msg)
	if err != nil {
		return "", protocolErrorf("not CBOR: %s", err)
	}
	return s, nil
}

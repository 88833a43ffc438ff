package backup

// Seal returns a manifest as it lies in a place.
func Seal(m *Manifest) ([]byte, error) { return m.seal() }

// ReadsManifest says what is wrong with a manifest's bytes.
func ReadsManifest(b []byte) error {
	_, err := unseal(b)
	return err
}

// ReadsSegment says what is wrong with a segment's bytes, of one that is not encrypted.
func ReadsSegment(b []byte) error {
	_, err := decodeSegment(b, nil, false)
	return err
}

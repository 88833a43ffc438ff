package backup

// Seal returns a manifest as it lies in a place.
func Seal(m *Manifest) ([]byte, error) { return m.seal() }

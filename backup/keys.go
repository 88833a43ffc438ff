package backup

import (
	"errors"
	"fmt"
	"os"

	"filippo.io/age"
	"strings"
)

// Recipients reads for whom backups are encrypted: age1…, as age-keygen prints it, or the
// name of a file of such lines after an @.
func Recipients(texts []string) (all []age.Recipient, err error) {
	for _, text := range texts {
		if path, ok := strings.CutPrefix(text, "@"); ok {
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("recipients: %w", err)
			}
			text = string(b)
		}
		r, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("recipients: %w", err)
		}
		all = append(all, r...)
	}
	return all, nil
}

// Identities reads the keys by which backups are decrypted, from a file as age-keygen makes
// it; "": there are none.
func Identities(path string) (keys []age.Identity, err error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if keys, err = age.ParseIdentities(f); err != nil {
		return nil, fmt.Errorf("identity %s: %w", path, err)
	}
	return keys, nil
}

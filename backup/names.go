package backup

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
)

// historyName names the folder of a history, by the beginnings of its id and epoch.
func historyName(id, epoch []byte) string { return short(id) + "-" + short(epoch) }

func short(b []byte) string { return hex.EncodeToString(b[:min(8, len(b))]) }

func manifestName(history string, version uint64) string {
	return fmt.Sprintf("%s/copy-%020d.json", history, version)
}

// dataName is another one each time, so that a copy that is made again never lies under an
// older manifest.
func dataName(history string, version uint64, encrypted bool) string {
	return fmt.Sprintf("%s/copy-%020d-%s.db.zst%s", history, version, rand.Text()[:8], suffix(encrypted))
}

func segmentName(history string, s *Segment, encrypted bool) string {
	schema := ""
	if s.NewSchema {
		schema = "-schema"
	}
	return fmt.Sprintf("%s/log-%020d-%020d%s.seg%s", history, s.From, s.To, schema, suffix(encrypted))
}

func suffix(encrypted bool) string {
	if encrypted {
		return ".age"
	}
	return ""
}

var (
	manifestPattern = regexp.MustCompile(`^([0-9a-f]{16}-[0-9a-f]{16})/copy-(\d{20})\.json$`)
	dataPattern     = regexp.MustCompile(`^([0-9a-f]{16}-[0-9a-f]{16})/copy-(\d{20})-[A-Z2-7]{8}\.db\.zst(\.age)?$`)
	segmentPattern  = regexp.MustCompile(`^([0-9a-f]{16}-[0-9a-f]{16})/log-(\d{20})-(\d{20})(-schema)?\.seg(\.age)?$`)
)

// versionOf reads a version in a name, which has 20 digits.
func versionOf(digits string) uint64 {
	v, _ := strconv.ParseUint(digits, 10, 64) // one that is too large is no version of anybody's
	return v
}

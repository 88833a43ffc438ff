package web

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"framehub/audit"
)

// CheckOrigins returns why one of the patterns of [session.Options] can't be one.
func CheckOrigins(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return fmt.Errorf("%q is no pattern of a page's origin: write game.example, *.game.example or https://game.example:8443", p)
		}
	}
	return nil
}

// ownOrigins refuses browsers' pages that come from elsewhere, but for those that
// patterns allow, before anything is upgraded. A request without an Origin is no
// browser's.
func ownOrigins(patterns []string, log *audit.Log, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		origins := r.Header.Values("Origin")
		if len(origins) == 0 || len(origins) == 1 && allowed(origins[0], r, patterns) {
			next(w, r)
			return
		}
		origin := strings.Join(origins, ", ")
		rec := audit.Record{Remote: r.RemoteAddr, Code: "403", Reason: "a page of " + origin + " may not connect"}
		if u, err := url.Parse(origin); err == nil && u.Host != "" {
			rec.Fix = "if it may, add to the configuration file: origin = " + tomlList(append(slices.Clip(patterns), u.Scheme+"://"+u.Host))
		}
		log.Add(audit.UpgradeRefused, rec)
		http.Error(w, "pages of "+audit.Text(origin)+" may not connect: who runs the hub can allow them with --origin", http.StatusForbidden)
	}
}

// allowed says whether a page may connect: the hub's own, and those that a
// pattern allows. Where the hub is reached by TLS, its own come by TLS too.
func allowed(origin string, r *http.Request, patterns []string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	host, scheme := strings.ToLower(u.Host), strings.ToLower(u.Scheme)
	if host == strings.ToLower(r.Host) && (r.TLS == nil || scheme == "https") {
		return true
	}
	for _, p := range patterns {
		against := host
		if strings.Contains(p, "://") {
			against = scheme + "://" + host
		}
		if ok, err := path.Match(strings.ToLower(p), against); ok && err == nil {
			return true
		}
	}
	return false
}

// tomlList writes texts as an array of TOML.
func tomlList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.QuoteToASCII(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

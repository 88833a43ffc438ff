package web

import (
	_ "embed" // for what follows
	"net/http"
)

// openapi describes what the admin listener answers, in OpenAPI 3.1.
//
//go:embed openapi.yaml
var openapi []byte

// openAPI answers with it. Its media type is RFC 9512's.
func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(openapi) // the peer may be gone
}

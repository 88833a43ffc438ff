package web

import (
	"embed"
	"net/http"
	"strings"
)

// What the pages are made of, without their tests.
//
//go:embed assets/*.html assets/*.css assets/*.js assets/common-icon.svg
var embedded embed.FS

// pages serves a page on / and what it is made of below /assets/.
func pages(mux *http.ServeMux, page string) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { file(w, r, page+".html") })
	entries, err := embedded.ReadDir("assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	for _, e := range entries {
		if name := e.Name(); belongs(name, page) {
			mux.HandleFunc("GET /assets/"+name, func(w http.ResponseWriter, r *http.Request) { file(w, r, name) })
		}
	}
}

// belongs says whether a page needs a file: those named for a page are its own,
// the others are shared, but for the client, which only the demo uses.
func belongs(name, page string) bool {
	switch {
	case strings.HasSuffix(name, ".html"):
		return false
	case strings.HasPrefix(name, "admin"), strings.HasPrefix(name, "demo"):
		return strings.HasPrefix(name, page)
	default:
		return page == "demo" || strings.HasPrefix(name, "common")
	}
}

// file serves an embedded file. A browser asks for it each time: they are few
// and small, and a newer hub's must not be mixed with an older one's.
func file(w http.ResponseWriter, r *http.Request, name string) {
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, embedded, "assets/"+name)
}

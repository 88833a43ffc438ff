package web

import (
	"embed"
	"net/http"
	"strings"

	"framehub/operators"
)

// What the pages are made of, without their tests.
//
//go:embed assets/*.html assets/*.css assets/*.js assets/common-icon.svg
var embedded embed.FS

// page serves a page on / and what it is made of below /assets/. Everybody may have
// them: they hold nothing of the hub's.
func page(name string) []route {
	serve := func(pattern, asset string) route {
		return route{"GET " + pattern, operators.Anyone, func(w http.ResponseWriter, r *http.Request) { file(w, r, asset) }}
	}
	routes := []route{serve("/{$}", name+".html")}
	entries, err := embedded.ReadDir("assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	for _, e := range entries {
		if belongs(e.Name(), name) {
			routes = append(routes, serve("/assets/"+e.Name(), e.Name()))
		}
	}
	return routes
}

// belongs says whether a page needs a file: those named for a page are its own,
// the others, the client among them, are shared.
func belongs(name, page string) bool {
	switch {
	case strings.HasSuffix(name, ".html"):
		return false
	case strings.HasPrefix(name, "admin"), strings.HasPrefix(name, "demo"):
		return strings.HasPrefix(name, page)
	default:
		return true
	}
}

// file serves an embedded file. A browser asks for it each time: they are few
// and small, and a newer hub's must not be mixed with an older one's.
func file(w http.ResponseWriter, r *http.Request, name string) {
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, embedded, "assets/"+name)
}

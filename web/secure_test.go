package web_test

import (
	"net/http"
	"strings"
	"testing"

	"framehub/web"
)

// secured looks for the headers that every answer has.
func secured(t *testing.T, path string, header http.Header) {
	t.Helper()
	cache := "no-store"
	if path == "/" || strings.HasPrefix(path, "/assets/") && header.Get("Content-Type") != text || strings.HasPrefix(path, "/api/openapi") {
		cache = "no-cache" // files of the program, which hold nothing of the hub's
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "", "Cache-Control": cache,
		"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
	} {
		if got := strings.Join(header.Values(name), "; "); got != want {
			t.Errorf("%s of %s is %q, not %q", name, path, got, want)
		}
	}
}

// TestEverySecured asks for all that the admin listener answers, as somebody who may,
// and as nobody.
func TestEverySecured(t *testing.T) {
	w := newWorld(t, with(newOperators(t)))
	ann, nobody := w.login("ann", annsPassword), &browserless{w, nil}
	for pattern := range web.AdminRoutes() {
		path := pathOf(pattern)
		if !strings.HasPrefix(pattern, "GET") || path == "/api/live" { // which does not end
			continue
		}
		for _, b := range []*browserless{ann, nobody} {
			a := b.look(path)
			secured(t, path, a.header)
		}
	}
}

// TestPolicyInChromium does what the policy forbids, in the operators' page itself.
func TestPolicyInChromium(t *testing.T) {
	w := newWorld(t)
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/", 1280, 800)
	page.until("it is ready", `document.getElementById("state").textContent === "Ready"`, patience)
	page.excuse("security:")
	for name, c := range map[string]struct{ does, against string }{
		"a text that becomes markup":  {`document.body.innerHTML = "<b>x</b>"`, "require-trusted-types-for"},
		"a text that becomes code":    {`setTimeout("1")`, "require-trusted-types-for|script-src"},
		"a script of a text":          {`document.createElement("script").src = "/assets/admin.js"`, "require-trusted-types-for"},
		"a policy of its own":         {`trustedTypes.createPolicy("x", {createHTML: (s) => s})`, "trusted-types"},
		"looks in an attribute":       {`document.body.setAttribute("style", "color: red")`, "style-src-attr"},
		"looks of an element":         {`document.head.append(Object.assign(document.createElement("style"), {textContent: "b {}"}))`, "style-src-elem"},
		"a handler in an attribute":   {`document.body.setAttribute("onclick", "1")`, "require-trusted-types-for|script-src-attr"},
		"a picture from elsewhere":    {`new Image().src = "http://192.0.2.1/x.png"`, "img-src"},
		"a picture in a text":         {`new Image().src = "data:image/gif;base64,R0lGODlhAQABAAAAACw="`, "img-src"},
		"a beacon to elsewhere":       {`navigator.sendBeacon("http://192.0.2.1/", "x")`, "connect-src"},
		"a socket to elsewhere":       {`new WebSocket("ws://192.0.2.1/")`, "connect-src"},
		"a frame":                     {`document.body.append(Object.assign(document.createElement("iframe"), {src: "/healthz"}))`, "frame-src"},
		"another base":                {`document.head.append(Object.assign(document.createElement("base"), {href: "http://192.0.2.1/"}))`, "base-uri"},
		"a form that leads elsewhere": {`{ const f = document.createElement("form"); f.action = "http://192.0.2.1/"; document.body.append(f); f.submit() }`, "form-action"},
		"a worker":                    {`new Worker(URL.createObjectURL(new Blob(["1"])))`, "require-trusted-types-for|worker-src"},
	} {
		t.Run(name, func(t *testing.T) {
			got := awaited[string](page, `new Promise((done) => {
				document.addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective), {once: true});
				setTimeout(() => done("nothing"), 5000);
				try { `+c.does+` } catch (e) { setTimeout(() => done("only " + e), 1000) }
			})`)
			if !strings.Contains("|"+c.against+"|", "|"+got+"|") {
				t.Errorf("%s is stopped by %s, not by %s", c.does, got, c.against)
			}
		})
	}
}

package main_test

import (
	"strings"
)

// httpCases are requests that are to be no sessions, or none of a good client's.
func (w *hostileWorld) httpCases() (all []hostile) {
	add := func(name, want, words, request string) {
		all = append(all, hostile{name: "http: " + name, want: want, words: words, do: func(i *intruder) string { return i.request(request) }})
	}
	swap := func(old, new string) string { return strings.Replace(goodUpgrade, old, new, 1) }
	line := func(more string) string { return swap("Upgrade: websocket\r\n", "Upgrade: websocket\r\n"+more+"\r\n") }
	to := func(target string) string { return swap("/v1/sync", target) }

	add("no Upgrade", "http 426", "Upgrade", swap("Upgrade: websocket\r\n", ""))
	add("an upgrade to HTTP/2", "http 426", "websocket", swap("Upgrade: websocket", "Upgrade: h2c"))
	add("no Connection", "http 426", "Connection", swap("Connection: Upgrade\r\n", ""))
	add("version 12 of WebSocket", "http 400", "version", swap("Version: 13", "Version: 12"))
	add("two versions of WebSocket", "http 400", "version", swap("Version: 13", "Version: 13, 8"))
	add("no version of WebSocket", "http 400", "version", swap("Sec-WebSocket-Version: 13\r\n", ""))
	add("no key", "http 400", "Key", swap("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", ""))
	add("a key of 15 bytes", "http 400", "Key", swap("AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAA"))
	add("a key that is no base64", "http 400", "Key", swap("AAAAAAAAAAAAAAAAAAAAAA==", "!!!!!!!!!!!!!!!!!!!!!!=="))
	add("two keys", "http 400", "Key", line("Sec-WebSocket-Key: BBBBBBBBBBBBBBBBBBBBBA=="))
	add("two upgrades", "http 101", "", line("Upgrade: h2c"))

	add("a page of another site", "http 403", "--origin", line("Origin: https://evil.example"))
	add("a page of no site", "http 403", "--origin", line("Origin: null"))
	add("a page of an empty site", "http 403", "--origin", line("Origin: "))
	add("a page of a file", "http 403", "--origin", line("Origin: file://"))
	add("a page of a site that begins as ours", "http 403", "--origin", line("Origin: http://127.0.0.1.evil.example"))
	add("a page of a site whose user is ours", "http 403", "--origin", line("Origin: http://127.0.0.1@evil.example"))
	add("a page of another port", "http 403", "--origin", line("Origin: http://127.0.0.1:1"))
	add("pages of two sites", "http 403", "--origin", line("Origin: http://127.0.0.1\r\nOrigin: https://evil.example"))
	add("a page whose site turns its name around", "http 403", `\u202e`, line("Origin: https://evil.\u202eelpmaxe"))
	add("a page with control characters", "http 400", "", line("Origin: https://evil.example\x1b[2J"))
	add("another host's name", "http 421", "this machine", swap("127.0.0.1", "hub.evil.example"))
	add("a name that begins as ours", "http 421", "this machine", swap("127.0.0.1", "127.0.0.1.evil.example"))
	add("our address as a number", "http 421", "this machine", swap("127.0.0.1", "2130706433"))
	add("another host's name in the target", "http 421", "this machine", to("http://hub.evil.example/v1/sync"))
	add("no host", "http 400", "Host", swap("Host: 127.0.0.1\r\n", ""))
	add("two hosts", "http 400", "", line("Host: hub.evil.example"))
	add("a host with a line break", "http 400", "", swap("127.0.0.1", "127.0.0.1\x0bevil"))

	add("HTTP/1.0", "http 426", "HTTP/1.1", swap("HTTP/1.1", "HTTP/1.0"))
	add("HTTP/0.9", "http 400", "", "GET /v1/sync\r\n\r\n")
	add("HTTP/2 without asking", "http 421", "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	add("TLS", "http 400", "", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
	add("headers of 40 KiB", "http 431", "", line("X: "+strings.Repeat("x", 40<<10)))
	add("headers in 2,000 lines", "http 431", "", line(strings.Repeat("X: 0123456789\r\n", 2000)+"X: 1"))
	add("a header without a colon", "http 400", "", line("Origin"))
	add("a header with a space before its colon", "http 400", "", line("Origin : null"))
	add("a NUL in a header", "http 400", "", line("X: a\x00b"))
	add("an expectation", "http 417", "", line("Expect: an answer"))

	add("a body", "http 400", "body", line("Content-Length: 5")+"hello")
	add("a body in chunks", "http 400", "body", line("Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n")
	add("a body of two lengths", "http 400", "", line("Content-Length: 5\r\nContent-Length: 6")+"hello")
	add("a body of a length and in chunks", "http 400", "body", line("Content-Length: 5\r\nTransfer-Encoding: chunked")+"0\r\n\r\n")
	add("a body in chunks, spelled so that not all see it", "http 501", "", line("Transfer-Encoding: xchunked")+"0\r\n\r\n")
	add("a body in chunks, twice", "http 501", "", line("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")+"0\r\n\r\n")
	add("a body of a length below 0", "http 400", "", line("Content-Length: -1"))
	add("a body of a length with a sign", "http 400", "", line("Content-Length: +5")+"hello")

	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "HEAD", "get"} {
		add("the method "+method, "http 405", "", swap("GET", method))
	}
	add("a tunnel", "http 421", "", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
	add("a method that is none", "http 400", "", swap("GET", "G(T"))

	for target, want := range map[string]string{
		"/v1/sync/": "404", "/V1/SYNC": "404", "/v1/sync%00": "404", "/v1%2fsync": "404", "/v1/sync;a": "404", "/": "404", "*": "400",
		"/metrics": "404", "/debug/pprof/": "404", "/api/status": "404", "/..%2f..%2fetc/passwd": "404", "/%2e%2e/%2e%2e/etc/passwd": "404",
		"//v1/sync": "307", "/v1/../v1/sync": "307", "/v1/%2e%2e/v1/sync": "404", "//evil.example/..": "307", "/\\evil.example": "404",
		"/v1/sync\x00": "400", "/v1/%zz": "400", "v1/sync": "400",
	} {
		add("the target "+strings.ToValidUTF8(strings.ReplaceAll(target, "\x00", "NUL"), "?"), "http "+want, "", to(target))
	}
	for _, parameter := range []string{"token=", "access_token=", "TOKEN=", "%74oken=", "Access_Token=", "a=b&token=", "a=b;token=", "%zz&token="} {
		all = append(all, hostile{name: "http: a token in the URL as " + parameter, want: "goodbye 4000", words: "URL", do: func(i *intruder) string {
			if got := i.request(to("/v1/sync?" + parameter + w.tokens["mallory"])); got != "http 101" {
				return got
			}
			i.sendMessage(list{0, dict{}})
			return i.outcome()
		}})
	}
	for _, protocol := range []string{"", "framehub.v2.cbor", "FRAMEHUB.V1.CBOR", "chat, superchat"} {
		all = append(all, hostile{name: "http: the subprotocol " + protocol, want: "goodbye 4000", words: "subprotocol", do: func(i *intruder) string {
			text := swap("Sec-WebSocket-Protocol: framehub.v1.cbor\r\n", "")
			if protocol != "" {
				text = swap("framehub.v1.cbor", protocol)
			}
			if got := i.request(text); got != "http 101" {
				return got
			}
			return i.outcome()
		}})
	}
	all = append(all, hostile{name: "http: permessage-deflate", want: "close 1002", words: "rsv", do: func(i *intruder) string {
		got := i.request(line("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
		if offered := i.header.Get("Sec-WebSocket-Extensions"); got != "http 101" || offered != "" {
			return got + " with " + offered
		}
		i.send(maskedFrame(frameBinary|0x40, []byte{0x4a, 0x04, 0x00}))
		return i.outcome()
	}})
	return append(append(all, w.headerTokenCases()...), w.adminCases()...)
}

// headerTokenCases are tokens in the Authorization header.
func (w *hostileWorld) headerTokenCases() (all []hostile) {
	add := func(name, want, words string, options func() dict, headers func() string) {
		all = append(all, hostile{name: "header: " + name, want: want, words: words, do: func(i *intruder) string {
			text := strings.Replace(goodUpgrade, "\r\n", "\r\n"+headers()+"\r\n", 1)
			if got := i.request(text); got != "http 101" {
				return got
			}
			i.sendMessage(list{0, options()})
			return i.outcome()
		}})
	}
	none := func() dict { return dict{} }
	mine := func(more string) func() string {
		return func() string { return "Authorization: Bearer " + w.tokens["mallory"] + more }
	}
	add("another token in the hello", "goodbye 4000", "different tokens", func() dict { return dict{"token": w.tokens["bob"]} }, mine(""))
	add("two tokens", "goodbye 4000", "more than one", none, func() string { return mine("")() + "\r\nAuthorization: Bearer " + w.tokens["bob"] })
	add("two tokens in one header", "goodbye 4001", "not valid", none, mine(", Bearer x"))
	add("a name and a password", "goodbye 4001", "no token", none, func() string { return "Authorization: Basic YWRtaW46YWRtaW4=" })
	add("no token after Bearer", "goodbye 4001", "no token", none, func() string { return "Authorization: Bearer" })
	add("a cookie", "goodbye 4001", "no token", none, func() string { return "Cookie: token=" + w.tokens["mallory"] })
	return all
}

// adminCases are requests to the operators' listener.
func (w *hostileWorld) adminCases() (all []hostile) {
	add := func(name, want, request string) {
		all = append(all, hostile{name: "admin: " + name, want: want, do: func(i *intruder) string {
			i.to = strings.Trim(strings.TrimPrefix(w.admin, "http://"), "/")
			return i.request(request)
		}})
	}
	get := func(target, more string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + more + "\r\n"
	}
	root := "Authorization: Bearer " + w.tokens["root"] + "\r\n"
	add("no token", "http 401", get("/metrics", ""))
	add("a device's token", "http 401", get("/metrics", "Authorization: Bearer "+w.tokens["mallory"]+"\r\n"))
	add("a game server's token", "http 401", get("/api/status", "Authorization: Bearer "+w.tokens["game"]+"\r\n"))
	add("a token in the URL", "http 401", get("/metrics?token="+w.tokens["root"], ""))
	add("a cookie", "http 401", get("/api/status", "Cookie: framehub-login="+w.tokens["root"]+"\r\n"))
	add("profiles without a token", "http 401", get("/debug/pprof/heap", ""))
	add("another host's name", "http 421", strings.Replace(get("/metrics", root), "127.0.0.1", "evil.example", 1))
	add("asked by a page of another site", "http 403", get("/metrics", root+"Sec-Fetch-Site: cross-site\r\n"))
	add("posted by a page of another site", "http 403", strings.Replace(get("/metrics", root+"Origin: https://evil.example\r\n"), "GET", "POST", 1))
	add("posted", "http 405", strings.Replace(get("/metrics", root), "GET", "POST", 1))
	add("a session that is none", "http 426", get("/v1/sync", root))
	add("a session without a token", "http 401", get("/v1/sync", ""))
	add("beside its files", "http 404", get("/..%2f..%2fetc%2fpasswd", root))
	return all
}

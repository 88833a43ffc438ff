package edge_test

import (
	"strings"
	"testing"

	"framehub/edge"
)

func TestWhoseAddress(t *testing.T) {
	proxies, err := edge.ParseProxies([]string{"127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"})
	if err != nil {
		t.Fatal(err)
	}
	believed, alone := serve(t, listen(t), edge.Options{Proxies: proxies}), serve(t, listen(t), edge.Options{})
	const peers = "" // the peer's own address
	for name, c := range map[string]struct {
		headers []string
		want    string
	}{
		"nothing":                         {nil, peers},
		"one":                             {[]string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		"with a port":                     {[]string{"X-Forwarded-For: 192.0.2.1:4711"}, "192.0.2.1:4711"},
		"IPv6":                            {[]string{"X-Forwarded-For: 2001:db8::1"}, "2001:db8::1"},
		"IPv6 in brackets":                {[]string{"X-Forwarded-For: [2001:db8::1]"}, "2001:db8::1"},
		"IPv6 with a port":                {[]string{"X-Forwarded-For: [2001:db8::1]:4711"}, "[2001:db8::1]:4711"},
		"IPv4 in IPv6":                    {[]string{"X-Forwarded-For: ::ffff:192.0.2.1"}, "192.0.2.1"},
		"a zone":                          {[]string{"X-Forwarded-For: fe80::1%eth0"}, "fe80::1"},
		"the last":                        {[]string{"X-Forwarded-For: 6.6.6.6, 192.0.2.1"}, "192.0.2.1"},
		"the last of several lines":       {[]string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		"before proxies of ours":          {[]string{"X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.2.3, 2001:db8:1::5"}, "192.0.2.1"},
		"proxies of ours only":            {[]string{"X-Forwarded-For: 10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		"a proxy written as IPv6":         {[]string{"X-Forwarded-For: 192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		"rubbish that a client wrote":     {[]string{"X-Forwarded-For: <script>, 192.0.2.1"}, "192.0.2.1"},
		"rubbish at the end":              {[]string{"X-Forwarded-For: 192.0.2.1, unknown"}, peers},
		"empty":                           {[]string{"X-Forwarded-For:"}, peers},
		"an empty end":                    {[]string{"X-Forwarded-For: 192.0.2.1,"}, peers},
		"a name":                          {[]string{"X-Forwarded-For: localhost"}, peers},
		"leading zeros":                   {[]string{"X-Forwarded-For: 192.0.02.1"}, peers},
		"other headers":                   {[]string{"X-Real-IP: 192.0.2.1", "Client-IP: 192.0.2.1", "CF-Connecting-IP: 192.0.2.1"}, peers},
		"Forwarded":                       {[]string{"Forwarded: for=192.0.2.1"}, "192.0.2.1"},
		"Forwarded, all of it":            {[]string{`Forwarded: by=10.0.0.1;For="[2001:db8::1]:4711";proto=https;host=h`}, "[2001:db8::1]:4711"},
		"Forwarded, the last":             {[]string{"Forwarded: for=6.6.6.6, for=192.0.2.1;proto=http, for=10.0.0.1"}, "192.0.2.1"},
		"Forwarded, several lines":        {[]string{`Forwarded: for="6.6`, "Forwarded: for=192.0.2.1"}, "192.0.2.1"},
		"Forwarded, escaped":              {[]string{`Forwarded: for="192\.0.2.1"`}, "192.0.2.1"},
		"Forwarded, comma in quotes":      {[]string{`Forwarded: for=192.0.2.1;x="a, for=6.6.6.6"`}, "192.0.2.1"},
		"Forwarded, hidden":               {[]string{"Forwarded: for=_hidden"}, peers},
		"Forwarded, unknown":              {[]string{"Forwarded: for=unknown"}, peers},
		"Forwarded, without for":          {[]string{"Forwarded: proto=https"}, peers},
		"Forwarded, for twice":            {[]string{"Forwarded: for=192.0.2.1;for=192.0.2.2"}, peers},
		"Forwarded, a quote that is open": {[]string{`Forwarded: for="192.0.2.1, for=6.6.6.6`}, peers},
		"Forwarded, an escape at the end": {[]string{`Forwarded: for="\`}, peers},
		"Forwarded, behind quotes":        {[]string{`Forwarded: for="192.0.2.1"x`}, peers},
		"Forwarded, a quote in a token":   {[]string{`Forwarded: for=192".0.2.1`}, peers},
		"Forwarded, no value":             {[]string{"Forwarded: for="}, peers},
		"Forwarded, no pair":              {[]string{"Forwarded: for"}, peers},
		"Forwarded, an open end":          {[]string{"Forwarded: for=192.0.2.1,"}, peers},
		"Forwarded, empty":                {[]string{"Forwarded:"}, peers},
		"both, of one mind":               {[]string{"Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		"both, not of one mind":           {[]string{"Forwarded: for=6.6.6.6", "X-Forwarded-For: 192.0.2.1"}, peers},
		"both, one malformed":             {[]string{"Forwarded: for=?", "X-Forwarded-For: 192.0.2.1"}, peers},
	} {
		t.Run(name, func(t *testing.T) {
			p := dial(t, believed.Addr())
			own := p.LocalAddr().String()
			want := c.want
			if want == peers {
				want = own
			}
			if code, body, _ := p.ask("/", c.headers...); code != 200 || body != want {
				t.Errorf("code %d, from %q, want %q", code, body, want)
			}
			p = dial(t, alone.Addr())
			if _, body, _ := p.ask("/", c.headers...); body != p.LocalAddr().String() {
				t.Errorf("who is not trusted is believed: from %q", body)
			}
		})
	}
}

func TestParseProxies(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.5": "10.0.0.5/32", "10.1.2.3/8": "10.0.0.0/8", "2001:db8::1": "2001:db8::1/128", "::1": "::1/128",
		"proxy.example": "no address", "10.0.0.0/33": "no address", "": "no address", "fe80::1%eth0": "no address",
	} {
		got, err := edge.ParseProxies([]string{text})
		switch {
		case err != nil && !strings.Contains(err.Error(), want), err == nil && got[0].String() != want:
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

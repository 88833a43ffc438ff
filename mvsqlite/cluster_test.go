package mvsqlite_test

import (
	"reflect"
	"strings"
	"testing"

	"framehub/mvsqlite"
)

func TestParse(t *testing.T) {
	for address, want := range map[string]mvsqlite.Cluster{
		"mvsqlite://10.0.0.5:7000/world": {DataPlanes: []string{"http://10.0.0.5:7000"}, Namespace: "world"},
		"mvsqlite://a:7000,b.example:7010/my-world.2": {
			DataPlanes: []string{"http://a:7000", "http://b.example:7010"}, Namespace: "my-world.2",
		},
		"mvsqlite://[::1]:7000/world?admin=[::1]:7001": {DataPlanes: []string{"http://[::1]:7000"}, Admin: "http://[::1]:7001", Namespace: "world"},
		"mvsqlite://a:443,b:443/w?tls=1&admin=c:444":   {DataPlanes: []string{"https://a:443", "https://b:443"}, Admin: "https://c:444", Namespace: "w"},
		"mvsqlite://a:80/w?tls=0":                      {DataPlanes: []string{"http://a:80"}, Namespace: "w"},
	} {
		got, err := mvsqlite.Parse(address)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, %v; want %+v", address, got, err, want)
		}
		if !mvsqlite.Is(address) {
			t.Errorf("Is(%q) is false", address)
		}
		if got != nil && got.Frames() != want.Namespace+".frames" {
			t.Errorf("%s: the frame log is %s", address, got.Frames())
		}
	}
	if mvsqlite.Is("data/world.db") {
		t.Error("a file is no address on mvSQLite")
	}
}

func TestParseRefuses(t *testing.T) {
	for address, words := range map[string]string{
		"data/world.db":                             "looks like mvsqlite://HOST:PORT",
		"mvsqlite://a:7000":                         "names no namespace",
		"mvsqlite://a:7000/":                        "names no namespace",
		"mvsqlite:///world":                         "not HOST:PORT",
		"mvsqlite://a/world":                        `"a" is not HOST:PORT`,
		"mvsqlite://a:7000,/world":                  `"" is not HOST:PORT`,
		"mvsqlite://:7000/world":                    "not HOST:PORT",
		"mvsqlite://a:0/world":                      "port of 1 to 65535",
		"mvsqlite://a:70000/world":                  "port of 1 to 65535",
		"mvsqlite://a:http/world":                   "port of 1 to 65535",
		"mvsqlite://me:secret@a:7000/world":         "user and password",
		"mvsqlite://a b:7000/world":                 "no name or address",
		"mvsqlite://a:7000/world@0001":              `"world@0001" can't be used`,
		"mvsqlite://a:7000/some/where":              `"some/where" can't be used`,
		"mvsqlite://a:7000/-x":                      "can't be used",
		"mvsqlite://a:7000/welt%20":                 "can't be used",
		"mvsqlite://a:7000/world?admn=a:1":          `no option "admn"`,
		"mvsqlite://a:7000/world?admin=":            "admin= is empty",
		"mvsqlite://a:7000/world?admin=a":           `admin=a: "a" is not HOST:PORT`,
		"mvsqlite://a:7000/world?admin=http://a:70": "is not HOST:PORT",
		"mvsqlite://a:7000/world?tls=yes":           "tls=1 for https",
		"mvsqlite://a:7000/world?%zz":               "can't be read",
	} {
		c, err := mvsqlite.Parse(address)
		if err == nil || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), address+": ") {
			t.Errorf("%s: %+v, %v; want %q", address, c, err, words)
		}
	}
}

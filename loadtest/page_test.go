package loadtest_test

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"framehub/loadtest"
)

// hostile are words that would be something else in a page that did not escape them.
const hostile = `"'></style></script><script>hacked()</script><img src="https://evil.example/x" onerror="hacked()">{{.}}` + "\u2028`${hacked()}`"

// page returns a report's page, parsed, and as it is.
func page(tb testing.TB, words string) (root *html.Node, text string) {
	tb.Helper()
	var b strings.Builder
	if err := loadtest.Page(words).HTML(&b); err != nil {
		tb.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		tb.Fatal(err)
	}
	return root, b.String()
}

// TestPageRefersToNothing: a page has all that it needs, also when words from elsewhere try
// to bring more into it.
func TestPageRefersToNothing(t *testing.T) {
	shape := map[string][]string{}
	for _, words := range []string{"harmless", hostile} {
		root, text := page(t, words)
		for n := range root.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			shape[words] = append(shape[words], n.Data)
			for _, a := range n.Attr {
				if slices.Contains([]string{"src", "href", "srcset", "data", "action", "formaction", "poster", "background", "ping", "xlink:href"}, a.Key) || strings.HasPrefix(a.Key, "on") {
					t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
				}
			}
			if slices.Contains([]string{"link", "img", "iframe", "object", "embed", "base", "form", "a", "use", "image"}, n.Data) {
				t.Errorf("there is a <%s>", n.Data)
			}
			if n.Data == "style" && regexp.MustCompile(`url\(|@import|image-set|src\(`).MatchString(n.FirstChild.Data) {
				t.Error("the style refers to something else")
			}
		}
		if !strings.Contains(text, "default-src &#39;none&#39;") {
			t.Error("the page may load what it likes")
		}
	}
	if !slices.Equal(shape["harmless"], shape[hostile]) {
		t.Error("words from elsewhere have become elements")
	}
}

// TestPageShowsWords: what came from elsewhere is told as it was.
func TestPageShowsWords(t *testing.T) {
	root, _ := page(t, hostile)
	told := 0
	for n := range root.Descendants() {
		if n.Type == html.TextNode && strings.Contains(n.Data, hostile) {
			told++
		}
	}
	// Where the hub is, a failure, the refusal in a note and twice among facts, a gate, six
	// parts of a difference.
	if told != 12 {
		t.Errorf("the words are told %d times", told)
	}
}

// strokes returns the paths of the lines of a chart.
func strokes(root *html.Node, title string) (paths []string) {
	for n := range root.Descendants() {
		if n.Data != "figure" || !strings.Contains(inner(n), title) {
			continue
		}
		for p := range n.Descendants() {
			if p.Data == "path" && attribute(p, "class") == "stroke" {
				paths = append(paths, attribute(p, "d"))
			}
		}
	}
	return paths
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func inner(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// TestPageDraws: lines go through their values, with a gap where there is none.
func TestPageDraws(t *testing.T) {
	root, _ := page(t, "trace.csv")
	for title, want := range map[string][]string{
		// 10, 20, … 100 ms of 100, over 10 s; none at 5 s.
		"Age and acknowledgement": {"M100 900h0L200 800L300 700L400 600M600 400h0L700 300L800 200L900 100L1000 0"},
		// 2,000 and 1,000 of 2,000.
		"Writes": {"M100 0h0" + strings.Join([]string{"", "200 0", "300 0", "400 0", "500 0", "600 0", "700 0", "800 0", "900 0", "1000 0"}, "L"),
			"M100 500h0" + strings.Join([]string{"", "200 500", "300 500", "400 500", "500 500", "600 500", "700 500", "800 500", "900 500", "1000 500"}, "L")},
	} {
		if got := strokes(root, title); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", title, got, want)
		}
	}
}

// TestBins: bars are all of what was timed, each where it was.
func TestBins(t *testing.T) {
	var times []time.Duration
	for range 300 {
		times = append(times, 10*time.Millisecond)
	}
	for range 100 {
		times = append(times, 100*time.Millisecond)
	}
	sum, filled := 0.0, 0
	for _, b := range loadtest.Bins(times...) {
		if math.Abs(b[1]/b[0]-math.Pow(10, 0.05)) > 1e-9 {
			t.Errorf("a bar from %v to %v", b[0], b[1])
		}
		if b[2] > 0 {
			filled++
		}
		sum += b[2]
	}
	if math.Abs(sum-1) > 1e-9 || filled != 2 {
		t.Errorf("%d bars, %v of all", filled, sum)
	}
	if b := loadtest.Bins(); b != nil {
		t.Errorf("of nothing: %v", b)
	}
}

func TestAxes(t *testing.T) {
	for name, tc := range map[string]struct {
		kind     string
		from, to float64
		labels   string
	}{
		"ms":         {"ms", 0, 93, "0 ms, 50 ms, 100 ms"},
		"fractions":  {"ms", 0, 0.31, "0 ms, 0.1 ms, 0.2 ms, 0.3 ms, 0.4 ms"},
		"nothing":    {"ms", 0, 0, "0 ms, 1 ms, 2 ms"},
		"bytes":      {"bytes", 0, 3 << 20, "0 B, 1.0 MiB, 2.0 MiB, 3.0 MiB"},
		"logarithms": {"log", 1, 100, "1 ms, 2 ms, 5 ms, 10 ms, 20 ms, 50 ms, 100 ms"},
		"a minute":   {"seconds", 0, 60, "0 s, 10 s, 20 s, 30 s, 40 s, 50 s, 60 s"},
		"an hour":    {"seconds", 0, 3600, "0 s, 10:00, 20:00, 30:00, 40:00, 50:00, 1:00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			labels, at := loadtest.Ticks(tc.kind, tc.from, tc.to)
			if got := strings.Join(labels, ", "); got != tc.labels {
				t.Errorf("%s, want %s", got, tc.labels)
			}
			if !slices.IsSorted(at) || at[0] != 0 || at[len(at)-1] > 100 {
				t.Errorf("they are at %v", at)
			}
		})
	}
}

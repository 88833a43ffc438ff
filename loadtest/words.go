package loadtest

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// What a report says in sentences, on a terminal and on its page.

// what says what the load was.
func (p *Report) what() string {
	o := &p.opts
	if o.Trace != "" {
		return fmt.Sprintf("%s at %v × its speed: %s devices", filepath.Base(o.Trace), o.Speed, humanize.Comma(int64(p.Devices)))
	}
	s := fmt.Sprintf("%s: %s, each writes %s %s", o.Profile, many(p.Devices, "device", "devices"), many(o.Entities, "row", "rows"), often(o.Hz))
	if o.Profile == Transfers {
		s = fmt.Sprintf("%s: %s, each moves money %s", o.Profile, many(p.Devices, "device", "devices"), often(o.Hz))
	}
	if o.Profile.writesAlone() {
		s = fmt.Sprintf("%s: %s, for each of which %s written %s", o.Profile, many(p.Devices, "device", "devices"), many(o.Entities, "row is", "rows are"), often(o.Hz))
	}
	if o.Profile == Events {
		s += fmt.Sprintf(", and %v events in groups of %d", o.EventHz, o.Group)
	}
	return s
}

// many tells how many there are: of one, or of more.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + more
}

func often(hz float64) string {
	if hz == 1 {
		return "once a second"
	}
	return fmt.Sprintf("%v times a second", hz)
}

// when says how long the load was, and against which hub.
func (p *Report) when() string {
	return fmt.Sprintf("%.1f s after %.1f s of warm-up, begun %s; the hub is %s",
		p.Duration, p.warmup.Seconds(), p.began.UTC().Format(time.DateTime+" UTC"), p.opts.URL)
}

func (p *Report) devices() string {
	writing := many(p.Devices, "writes", "write")
	if p.opts.Profile.writesAlone() {
		writing = fmt.Sprintf("%s, for which %s", humanize.Comma(int64(p.Devices)), many(p.writers, "writes", "write"))
	}
	watching := many(p.watchers, "watches and keeps a copy", "watch and keep a copy")
	if p.verdict.copies < p.watchers {
		watching = fmt.Sprintf("%s, of whom %s and the others count", many(p.watchers, "watches", "watch"), many(p.verdict.copies, "keeps a copy", "keep a copy"))
	}
	s := fmt.Sprintf("%s; %s; at most %s connected", writing, watching, humanize.Comma(int64(p.most)))
	if p.SessionsLost > 0 {
		s += fmt.Sprintf("; %d lost their session", p.SessionsLost)
	}
	return s
}

func (p *Report) writes() string {
	return fmt.Sprintf("%s sent, %s acknowledged, %s refused, %s without an outcome",
		humanize.Comma(p.Sent), humanize.Comma(p.Acked), humanize.Comma(p.Refused), humanize.Comma(p.Unsettled))
}

// refused says why, nothing where nothing was.
func (p *Report) refused() (lines []string) {
	for _, code := range slices.Sorted(maps.Keys(p.refusals)) {
		lines = append(lines, fmt.Sprintf("refused as %s: %s", code, humanize.Comma(p.refusals[code])))
	}
	if p.refusedAs != "" {
		lines = append(lines, "the first: "+p.refusedAs)
	}
	return lines
}

func (p *Report) delivered() string {
	return fmt.Sprintf("%s updates to %s: %.1f bytes each, %s a second to each who watches",
		humanize.Comma(p.Delivered), many(p.watchers, "who watches", "who watch"), p.BytesPerUpdate, sizeText(p.BytesPerDevice))
}

func (e *EventReport) String() string {
	return fmt.Sprintf("%s sent, %s refused; %s delivered, %s lost, %d twice, %d out of order",
		humanize.Comma(e.Sent), humanize.Comma(e.Refused), humanize.Comma(e.Delivered), humanize.Comma(e.Lost), e.Duplicated, e.Reordered)
}

func (p *Report) generator() string {
	s := p.processor(p.Generator.CPUSeconds)
	if own := p.Generator.own; own != nil {
		s += fmt.Sprintf("; sent late by its own fault: p99 %.2f ms (from %d ms on it is the limit)", own.P99, limitedFrom)
	}
	if p.held > 0 {
		s += fmt.Sprintf("; %s writes waited for the hub to take more", humanize.Comma(p.held))
	}
	return s
}

// processor tells processor time, and how much that is of the machine.
func (p *Report) processor(seconds float64) string {
	return fmt.Sprintf("%.1f s of processor time (%s cores)", seconds, plain(p.cores(seconds)))
}

func (p *Report) cores(seconds float64) float64 { return seconds / max(p.Duration, 1e-9) }

// cost tells what a delivered update costs the hub, "" where that is not what it does.
func (p *Report) cost() string {
	if p.Delivered == 0 || p.Events != nil {
		return ""
	}
	return plain(p.Hub.CPUPerUpdate) + " µs for each update delivered"
}

// limit says that the figures are not the hub's.
func limit() string {
	return fmt.Sprintf("THE LOAD TEST WAS THE LIMIT (late by %d ms or more): these are not the hub's figures; load less, or from another machine", limitedFrom)
}

// hub says what the hub used, in lines.
func (p *Report) hub() []string {
	h := p.Hub
	switch {
	case h == nil && p.opts.AdminURL == "":
		return []string{"not asked for its figures (--admin-url)"}
	case h == nil:
		return []string{"no figures"}
	}
	lines := []string{
		strings.Join(slices.DeleteFunc([]string{p.processor(h.CPUSeconds), p.cost(), humanize.IBytes(uint64(h.ResidentBytes)) + " of memory"}, func(s string) bool { return s == "" }), "; "),
		fmt.Sprintf("%s versions, %s merges into the database; sessions fell behind %s times and caught up in %s frames",
			humanize.Comma(h.versions), humanize.Comma(h.merges), humanize.Comma(h.behind), humanize.Comma(h.CatchUps)),
	}
	if f := h.Fsync; f != nil {
		lines = append(lines, fmt.Sprintf("%s fsyncs of the frame log, %.1f s in them; %s of other files, beside the frames",
			humanize.Comma(f.Count), f.Seconds, humanize.Comma(f.Others)))
	}
	if p.Events != nil {
		lines = append(lines, "events that sessions did not get: "+h.dropped())
	}
	return lines
}

// A hubTiming is what the hub has timed itself.
type hubTiming struct {
	label, hint string
	times       *Quantiles
}

func (h *Hub) timings() []hubTiming {
	if h == nil {
		return nil
	}
	all := []hubTiming{
		{"hub: frame durable", "from a frame's boundary until it was durable, by the hub's own histogram", h.durable},
		{"hub: frame told", "from a frame's boundary until it was handed to every session, by the hub's own histogram", h.Frame},
	}
	if h.Fsync != nil {
		all = append(all, hubTiming{"hub: fsync of the log", "what a frame waits for the disk, by the hub's own histogram", h.Fsync.Times})
	}
	return all
}

func (p *Report) order() string {
	return fmt.Sprintf("versions left out %d, updates or outcomes twice %d, out of order %d; snapshots after the first %d",
		p.Gaps, p.Duplicated, p.Reordered, p.Snapshots)
}

func (p *Report) check() string {
	v := p.verdict
	switch {
	case p.Converged == nil:
		return "COPIES NOT COMPARED with SQL: no --db; " + v.missing()
	case v.tables == 0:
		return "nothing could be compared"
	case *p.Converged:
		return fmt.Sprintf("%s what SQL has at version %d: %s in %s; %s", many(v.copies, "copy is", "copies are"), v.version,
			many(v.rows, "row", "rows"), many(v.tables, "table", "tables"), v.missing())
	default:
		return fmt.Sprintf("%s between %s and SQL at version %d; %s", many(v.different, "DIFFERENCE", "DIFFERENCES"), many(v.copies, "copy", "copies"), v.version, v.missing())
	}
}

// missing tells what is lost of what was acknowledged.
func (v *verdict) missing() string {
	return "against what was acknowledged, " + many(int(v.lost), "row is", "rows are") + " lost"
}

// interruption says that the load ended before its time.
func (p *Report) interruption() string {
	return fmt.Sprintf("interrupted: %s of %s writes were sent", humanize.Comma(p.Sent), humanize.Comma(p.planned))
}

// Is says what a gate's figure came to.
func (g GateResult) Is() string {
	if g.Value == nil {
		return "was not measured"
	}
	return "is " + humanize.FtoaWithDigits(*g.Value, 2) + g.unit
}

// behind says how often sessions fell behind.
func (p *Report) behind() string {
	return fmt.Sprintf("sessions fell behind %s times: they did not take what came, and were brought forward", humanize.Comma(p.Hub.behind))
}

// caveats are what a reader must know of the figures before believing them.
func (p *Report) caveats() (all []string) {
	if few := p.few(); few != "" {
		all = append(all, few)
	}
	if p.nearby() {
		all = append(all, "hub and load test shared a machine: each had what the other left of it")
	}
	return all
}

// nearby says whether the hub is on this machine.
func (p *Report) nearby() bool {
	u, err := url.Parse(p.opts.URL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// few says that too few values were timed for their 99th percentile to say much.
func (p *Report) few() string {
	const enough = 1000 // of which ten lie above the 99th percentile
	for _, name := range []string{"age_ms", "ack_ms"} {
		if d, ok := p.Distributions[name]; ok && d.Count < enough {
			return fmt.Sprintf("only %d values of %s: a 99th percentile of fewer than %s says little; run it longer", d.Count, strings.TrimSuffix(name, "_ms"), humanize.Comma(enough))
		}
	}
	return ""
}

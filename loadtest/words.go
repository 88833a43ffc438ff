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
	s := fmt.Sprintf("%s: %s devices, each writes %s %v times a second", o.Profile, humanize.Comma(int64(p.Devices)), rowsOf(o.Entities), o.Hz)
	if o.Profile == Transfers {
		s = fmt.Sprintf("%s: %s devices, each moves money %v times a second", o.Profile, humanize.Comma(int64(p.Devices)), o.Hz)
	}
	if o.Profile.writesAlone() {
		s = fmt.Sprintf("%s: %s devices, for each of which %s %s written %v times a second",
			o.Profile, humanize.Comma(int64(p.Devices)), rowsOf(o.Entities), map[bool]string{true: "is", false: "are"}[o.Entities == 1], o.Hz)
	}
	if o.Profile == Events {
		s += fmt.Sprintf(", and %v events in groups of %d", o.EventHz, o.Group)
	}
	return s
}

func rowsOf(n int) string {
	if n == 1 {
		return "1 row"
	}
	return humanize.Comma(int64(n)) + " rows"
}

// when says how long the load was, and against which hub.
func (p *Report) when() string {
	return fmt.Sprintf("%.1f s after %.1f s of warm-up, begun %s; the hub is %s",
		p.Duration, p.warmup.Seconds(), p.began.UTC().Format(time.DateTime+" UTC"), p.opts.URL)
}

func (p *Report) devices() string {
	writing := fmt.Sprintf("%d write", p.Devices)
	if p.opts.Profile.writesAlone() {
		writing = fmt.Sprintf("%d, for which %d write", p.Devices, p.writers)
	}
	watching := fmt.Sprintf("%d watch and keep a copy", p.watchers)
	if p.verdict.copies < p.watchers {
		watching = fmt.Sprintf("%d watch, of whom %d keep a copy and the others count", p.watchers, p.verdict.copies)
	}
	s := fmt.Sprintf("%s; %s; at most %d connected", writing, watching, p.most)
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
	return fmt.Sprintf("%s updates to %d who watch: %.1f bytes each, %s a second to each who watches",
		humanize.Comma(p.Delivered), p.watchers, p.BytesPerUpdate, sizeText(p.BytesPerDevice))
}

func (e *EventReport) String() string {
	return fmt.Sprintf("%s sent, %s refused; %s delivered, %s lost, %d twice, %d out of order",
		humanize.Comma(e.Sent), humanize.Comma(e.Refused), humanize.Comma(e.Delivered), humanize.Comma(e.Lost), e.Duplicated, e.Reordered)
}

func (p *Report) generator() string {
	s := fmt.Sprintf("%.1f s of processor time", p.Generator.CPUSeconds)
	if own := p.Generator.own; own != nil {
		s += fmt.Sprintf("; sent late by its own fault: p99 %.2f ms", own.P99)
	}
	if p.held > 0 {
		s += fmt.Sprintf("; %s writes waited for the hub to take more", humanize.Comma(p.held))
	}
	return s
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
		fmt.Sprintf("%.1f s of processor time, %.2f µs for each update delivered; %s of memory", h.CPUSeconds, h.CPUPerUpdate, humanize.IBytes(uint64(h.ResidentBytes))),
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
		return fmt.Sprintf("COPIES NOT COMPARED with SQL: no --db; against what was acknowledged, %d rows are lost", v.lost)
	case v.tables == 0:
		return "nothing could be compared"
	case *p.Converged:
		return fmt.Sprintf("%d copies are what SQL has at version %d: %s rows in %d tables; against what was acknowledged, %d rows are lost",
			v.copies, v.version, humanize.Comma(int64(v.rows)), v.tables, v.lost)
	default:
		return fmt.Sprintf("%d DIFFERENCES between %d copies and SQL at version %d; against what was acknowledged, %d rows are lost",
			v.different, v.copies, v.version, v.lost)
	}
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

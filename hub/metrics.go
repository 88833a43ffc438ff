package hub

import (
	"github.com/prometheus/client_golang/prometheus"

	"framehub/session/wire"
)

// Metrics are what the hub counts and times, for Prometheus. All times are in
// seconds, all sizes in bytes.
type Metrics struct {
	collectors []prometheus.Collector

	frame      prometheus.Histogram // boundary to told
	durable    prometheus.Histogram // boundary to durable
	broadcast  prometheus.Histogram
	committed  prometheus.Counter
	refused    *prometheus.CounterVec
	behind     prometheus.Counter
	caughtUp   prometheus.Counter
	snapshots  prometheus.Counter
	slowed     prometheus.Counter
	wills      prometheus.Counter
	statements prometheus.Counter
	ticks      prometheus.Histogram // read to answered

	events, delivered prometheus.Counter
	eventsRefused     *prometheus.CounterVec
	eventsLost        [fates]prometheus.Counter
}

func newMetrics(h *Hub) *Metrics {
	m := &Metrics{}
	// 0.25 ms to 2 s: a frame at 60 Hz has 16.7 ms.
	times := prometheus.ExponentialBuckets(0.00025, 1.5, 23)
	m.frame = m.histogram("framehub_frame_seconds", "Time from the frame boundary until the version was handed to every session.", times)
	m.durable = m.histogram("framehub_frame_durable_seconds", "Time from the frame boundary until the version was durable.", times)
	m.broadcast = m.histogram("framehub_broadcast_seconds", "Time to encode a version for its audiences and hand it to the sessions.", times)
	m.ticks = m.histogram("framehub_tick_seconds", "Time from when a server's tick was read until it was answered: its count is that of the ticks.", times)
	m.committed = m.counter("framehub_transactions_committed_total", "Transactions committed.")
	m.refused = m.counters("framehub_transactions_refused_total", "Transactions refused, by the refusal's code.", "code")
	m.behind = m.counter("framehub_sessions_behind_total", "Times that a session did not take its frames and fell behind.")
	m.caughtUp = m.counter("framehub_catch_up_frames_total", "Frames that merged what one session had missed.")
	m.snapshots = m.counter("framehub_snapshots_total", "Snapshots begun.")
	m.slowed = m.counter("framehub_messages_slowed_total", "Messages of devices that waited, because their device sends more than it may.")
	m.wills = m.counter("framehub_wills_total", "Last wills that have run.")
	m.statements = m.counter("framehub_sql_statements_total", "Statements of SQL that were run for sessions.")
	m.events = m.counter("framehub_events_total", "Events that were taken, to be sent on.")
	m.delivered = m.counter("framehub_events_delivered_total", "Events handed to a session's connection, once for each session.")
	m.eventsRefused = m.counters("framehub_events_refused_total", "Events refused, by the refusal's code.", "code")
	for _, code := range wire.Codes() { // so that the first of them is seen to rise
		m.refused.WithLabelValues(string(code))
		m.eventsRefused.WithLabelValues(string(code))
	}
	lost := m.counters("framehub_events_dropped_total", "Events that a session did not get, by the reason, and those for which there was no session.", "reason")
	for f := behind; f < fates; f++ {
		m.eventsLost[f] = lost.WithLabelValues(f.String())
	}
	m.gauges(h)
	m.storeCounters(h)
	m.collectors = append(m.collectors, trafficCollector{h}, syncCollector{h.store})
	return m
}

// settled counts a transaction by what became of it.
func (m *Metrics) settled(refused *wire.Refusal) {
	if refused == nil {
		m.committed.Inc()
	} else {
		m.refused.WithLabelValues(string(refused.Code)).Inc()
	}
}

// lostEvents counts events that reached nobody.
func (m *Metrics) lostEvents(f fate, n int) { m.eventsLost[f].Add(float64(n)) }

// Register registers every metric.
func (m *Metrics) Register(r prometheus.Registerer) error {
	for _, c := range m.collectors {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.collectors = append(m.collectors, h)
	return h
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.collectors = append(m.collectors, c)
	return c
}

func (m *Metrics) counters(name, help, label string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	m.collectors = append(m.collectors, c)
	return c
}

func (m *Metrics) gauges(h *Hub) {
	for _, g := range []struct {
		name, help string
		value      func() float64
	}{
		{"framehub_version", "The last version that devices were told of.", func() float64 { return float64(h.told.Load()) }},
		{"framehub_version_merged", "The version that the game database's tables have.", func() float64 { return float64(h.store.Merged()) }},
		{"framehub_clock_held", "1 while a server closes the frames, 0 while the hub's own clock does.", func() float64 {
			if _, held := h.ClockHolder(); held {
				return 1
			}
			return 0
		}},
		{"framehub_waiting_transactions", "Transactions that wait for a frame.", func() float64 { n, _ := h.in.load(); return float64(n) }},
		{"framehub_waiting_bytes", "Bytes of transactions that wait for a frame; above 64 MiB devices are read no further.", func() float64 { _, n := h.in.load(); return float64(n) }},
		{"framehub_database_bytes", "Size of the game database's files; 0 on mvSQLite.", func() float64 { n, _ := h.store.Sizes(); return float64(n) }},
		{"framehub_log_file_bytes", "Size of the frame log's files; 0 on mvSQLite.", func() float64 { _, n := h.store.Sizes(); return float64(n) }},
		{"framehub_frame_interval_seconds", "Time from one frame to the next by the hub's own clock: what a frame may take.", func() float64 { return h.Interval().Seconds() }},
		{"framehub_ready", "1 while the hub takes writes, else 0.", func() float64 {
			if h.Ready() != nil {
				return 0
			}
			return 1
		}},
	} {
		m.collectors = append(m.collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, g.value))
	}
}

func (m *Metrics) storeCounters(h *Hub) {
	const nano = 1e-9
	st := h.store.Stats()
	for _, c := range []struct {
		name, help string
		value      func() float64
	}{
		{"framehub_frames_total", "Versions committed.", func() float64 { return float64(st.Frames.Load()) }},
		{"framehub_sql_rows_total", "Rows that other programs changed with SQL.", func() float64 { return float64(st.Taken.Load()) }},
		{"framehub_sql_unseen_total", "Times that another program wrote what devices can't be told.", func() float64 { return float64(st.Foreign.Load()) }},
		{"framehub_rows_total", "Rows in them.", func() float64 { return float64(st.Rows.Load()) }},
		{"framehub_log_bytes_total", "Bytes appended to the frame log.", func() float64 { return float64(st.LogBytes.Load()) }},
		{"framehub_merges_total", "Merges into the game database.", func() float64 { return float64(st.Merges.Load()) }},
		{"framehub_checkpoints_total", "WAL checkpoints of both databases.", func() float64 { return float64(st.Checkpoints.Load()) }},
		{"framehub_checkpoint_waits_total", "Checkpoints that a frame waited for.", func() float64 { return float64(st.RestartWaits.Load()) }},
		{"framehub_recoveries_total", "Attempts to bring the store back.", func() float64 { return float64(st.Recoveries.Load()) }},
		{"framehub_check_seconds_total", "Time in transactions' SQL.", func() float64 { return nano * float64(st.CheckNanos.Load()) }},
		{"framehub_log_seconds_total", "Time in the frame log's commits.", func() float64 { return nano * float64(st.LogNanos.Load()) }},
		{"framehub_merge_seconds_total", "Time in the game database's commits.", func() float64 { return nano * float64(st.MergeNanos.Load()) }},
	} {
		m.collectors = append(m.collectors, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: c.name, Help: c.help}, c.value))
	}
}

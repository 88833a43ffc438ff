package hub

import "github.com/prometheus/client_golang/prometheus"

// traffic is what all sessions together have sent and been sent, those that have ended
// too, and how they are.
type traffic struct {
	messagesIn, messagesOut, bytesIn, bytesOut uint64
	sessions, behind                           int // behind of them are not in step
}

func (h *Hub) traffic() traffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.ended
	t.sessions = len(h.clients)
	for c := range h.clients {
		t.add(c)
		if c.audience == nil {
			t.behind++
		}
	}
	return t
}

func (t *traffic) add(c *client) {
	st := c.sess.Stats()
	t.messagesIn += st.MessagesIn.Load()
	t.messagesOut += st.MessagesOut.Load()
	t.bytesIn += st.BytesIn.Load()
	t.bytesOut += st.BytesOut.Load()
}

// trafficMetrics are what Prometheus is told of traffic.
var trafficMetrics = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*traffic) float64
}{
	{trafficDesc("framehub_sessions", "Sessions."), prometheus.GaugeValue,
		func(t *traffic) float64 { return float64(t.sessions) }},
	{trafficDesc("framehub_sessions_catching_up", "Sessions that are not in step: being brought forward, or sent a snapshot."), prometheus.GaugeValue,
		func(t *traffic) float64 { return float64(t.behind) }},
	{trafficDesc("framehub_received_messages_total", "Messages that devices sent."), prometheus.CounterValue,
		func(t *traffic) float64 { return float64(t.messagesIn) }},
	{trafficDesc("framehub_sent_messages_total", "Messages sent to devices."), prometheus.CounterValue,
		func(t *traffic) float64 { return float64(t.messagesOut) }},
	{trafficDesc("framehub_received_bytes_total", "Bytes of messages that devices sent."), prometheus.CounterValue,
		func(t *traffic) float64 { return float64(t.bytesIn) }},
	{trafficDesc("framehub_sent_bytes_total", "Bytes of messages sent to devices."), prometheus.CounterValue,
		func(t *traffic) float64 { return float64(t.bytesOut) }},
}

func trafficDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, nil, nil)
}

// trafficCollector looks at all sessions once for all of their metrics: the lock that it
// holds meanwhile is one that frames wait for.
type trafficCollector struct{ hub *Hub }

func (trafficCollector) Describe(out chan<- *prometheus.Desc) {
	for i := range trafficMetrics {
		out <- trafficMetrics[i].desc
	}
}

func (c trafficCollector) Collect(out chan<- prometheus.Metric) {
	t := c.hub.traffic()
	for i := range trafficMetrics {
		m := &trafficMetrics[i]
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&t))
	}
}

package hub

import (
	"github.com/prometheus/client_golang/prometheus"

	"framehub/store"
)

// syncCollector tells Prometheus what the store counts of syncs.
type syncCollector struct{ store *store.Store }

var syncDesc = prometheus.NewDesc("framehub_fsync_seconds",
	"Time that SQLite waited for a file to be on the disk (fsync and the like), by the database, game or log, and its file: with each frame for the WAL of the log, else in checkpoints.",
	[]string{"database", "file"}, nil)

// Describe implements prometheus.Collector.
func (c syncCollector) Describe(to chan<- *prometheus.Desc) { to <- syncDesc }

// Collect implements prometheus.Collector.
func (c syncCollector) Collect(to chan<- prometheus.Metric) {
	for _, t := range c.store.Syncs() {
		to <- prometheus.MustNewConstHistogram(syncDesc, t.Count, t.Total.Seconds(), t.AtMost, t.Database, t.File)
	}
}

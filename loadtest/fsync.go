package loadtest

// Fsync is what it took the hub to have its files on the disk.
type Fsync struct {
	Count   int64      `json:"count"`  // of the frame log's WAL: one a frame
	Seconds float64    `json:"s"`      // in them
	Times   *Quantiles `json:"ms"`     // of each; nil: there was none
	Others  int64      `json:"others"` // of other files, by checkpoints beside the frames
}

// fsync returns how long each took; nil where nothing tells.
func (h *Hub) fsync() *Quantiles {
	if h.Fsync == nil {
		return nil
	}
	return h.Fsync.Times
}

// fsyncs is the hub's histogram, and the labels of the frame log's WAL in it.
const fsyncs = "framehub_fsync_seconds"

var logWAL = []string{"log", "wal"}

// fsyncBetween returns what there was between two looks, nil where the hub has no files
// or tells nothing of them.
func fsyncBetween(before, after look) *Fsync {
	is, was := after.metric(fsyncs, logWAL...).GetHistogram(), before.metric(fsyncs, logWAL...).GetHistogram()
	if is == nil {
		return nil
	}
	f := &Fsync{
		Count: int64(is.GetSampleCount()) - int64(was.GetSampleCount()), Seconds: is.GetSampleSum() - was.GetSampleSum(),
		Times: bucketQuantiles(before, after, fsyncs, logWAL...),
	}
	f.Others = fsyncsOf(after) - fsyncsOf(before) - f.Count
	return f
}

// fsyncsOf returns how many of all files there have been.
func fsyncsOf(l look) (n int64) {
	for _, m := range l.hub[fsyncs].GetMetric() {
		n += int64(m.GetHistogram().GetSampleCount())
	}
	return n
}

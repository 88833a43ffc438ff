package backup

import "time"

// An Outcome is what became of a copy.
type Outcome struct {
	Why     string
	Version uint64
	Began   time.Time
	Millis  int64
	Size    int64 // bytes in the place
	RawSize int64 // of the database
	Good    bool  // there is a copy of this version that is proven
	Skipped bool  // it was there already: nothing has changed since
	Error   string
}

// A State is what a worker does now.
type State struct {
	Place    string
	Now      time.Time
	Running  bool
	Phase    string // copying, packing, writing, proving
	Done     int64  // of Total, in the phase copying: pages
	Total    int64
	Asked    uint64 // copies that were asked for so far
	Answer   uint64 // how many of them are done
	Last     *Outcome
	LastGood *Outcome
	Next     time.Time
	Count    uint64 // good ones since the start
	Failures uint64
	Looks    []Look // at copies, that somebody has asked for; the last may be under way

	Shipping    bool
	Shipped     uint64 // up to which version
	ShipTrouble string
	Unshipped   time.Time // since when there is something that is not shipped
	Gap         string    // versions that were lost before they were shipped
}

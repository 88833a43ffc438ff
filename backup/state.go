package backup

import "time"

// An Outcome is what became of a copy.
type Outcome struct {
	Why     string    `json:"why"`
	Version uint64    `json:"version"`
	Began   time.Time `json:"began"`
	Millis  int64     `json:"took_ms"`
	Size    int64     `json:"size"`     // bytes in the place
	RawSize int64     `json:"raw_size"` // of the database
	Good    bool      `json:"good"`     // there is a copy of this version that is proven
	Skipped bool      `json:"skipped"`  // it was there already: nothing has changed since
	Error   string    `json:"error,omitempty"`
}

// A State is what a worker does now.
type State struct {
	Place    string    `json:"place"`
	Now      time.Time `json:"now"`
	Running  bool      `json:"running"`
	Phase    string    `json:"phase,omitempty"` // copying, packing, writing, proving
	Done     int64     `json:"done"`            // of Total, in the phase copying: pages
	Total    int64     `json:"total"`
	Asked    uint64    `json:"asked"`  // copies that were asked for so far
	Answer   uint64    `json:"answer"` // how many of them are done
	Last     *Outcome  `json:"last,omitempty"`
	LastGood *Outcome  `json:"last_good,omitempty"`
	Next     time.Time `json:"next,omitzero"`
	Count    uint64    `json:"count"` // good ones since the start
	Failures uint64    `json:"failures"`
	Looks    []Look    `json:"looks,omitempty"` // at copies, that somebody has asked for; the last may be under way

	Shipping    bool      `json:"shipping"`
	Shipped     uint64    `json:"shipped"` // up to which version
	ShipTrouble string    `json:"ship_trouble,omitempty"`
	Unshipped   time.Time `json:"unshipped,omitzero"` // since when there is something that is not shipped
	Gap         string    `json:"gap,omitempty"`      // versions that were lost before they were shipped
}

package web

import (
	"fmt"
	"time"

	"framehub/hub"
)

// What is told in words: over how long it is looked, and from when on it is told.
const (
	lookBack    = 10 * time.Second
	tellRefused = 0.1 // of all transactions
	tellBehind  = 0.1 // of all sessions
	tellFewest  = 10  // transactions or sessions, below which parts say nothing
	tellWaiting = 8e6 // bytes of transactions

	tellUnshipped = 2 * time.Minute
)

// warnings says in words what somebody should look at, though the hub goes on.
func warnings(samples []hub.Sample, interval time.Duration, backups *BackupHealth) []string {
	var all []string
	tell := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	sum := summed(samples)
	if sum.P99 > interval.Seconds() {
		tell("Frames take longer than their %.3g ms: 99 of 100 took up to %.3g ms in the last seconds, %s.", 1000*interval.Seconds(), 1000*sum.P99, mostOf(&sum))
	}
	if done := sum.Committed + sum.Refused; done >= tellFewest && float64(sum.Refused) > tellRefused*float64(done) {
		tell("%d of the last %d transactions were refused: the log says of whom and why.", sum.Refused, done)
	}
	if sum.Behind >= tellFewest && float64(sum.Behind) > tellBehind*float64(sum.Sessions) {
		tell("%d of %d sessions don't take their frames as they come: their connections, or this machine's, are too slow.", sum.Behind, sum.Sessions)
	}
	if float64(sum.WaitingBytes) > tellWaiting {
		tell("%d transactions, %d MB, wait for a frame: more is written than the hub commits.", sum.Waiting, sum.WaitingBytes/1e6)
	}
	return append(all, backups.warnings()...)
}

// summed puts samples together: what counts is summed, of how it is the last counts.
func summed(samples []hub.Sample) hub.Sample {
	var sum hub.Sample
	for i := range samples {
		s := &samples[i]
		sum.Frames, sum.Committed, sum.Refused = sum.Frames+s.Frames, sum.Committed+s.Committed, sum.Refused+s.Refused
		sum.Check, sum.Commit, sum.Broadcast = sum.Check+s.Check, sum.Commit+s.Commit, sum.Broadcast+s.Broadcast
		sum.P99 += s.P99 * float64(s.Frames)
		sum.Sessions, sum.Behind, sum.Waiting, sum.WaitingBytes = s.Sessions, s.Behind, s.Waiting, s.WaitingBytes
	}
	sum.P99 /= max(1, float64(sum.Frames)) // the seconds' own, by their frames: one slow frame of many is none
	return sum
}

// mostOf says where frames spent most of their time.
func mostOf(s *hub.Sample) string {
	switch max(s.Check, s.Commit, s.Broadcast) {
	case s.Commit:
		return "most of it in the commits of the frame log: the disk is slow"
	case s.Broadcast:
		return "most of it in encoding for the sessions and handing out"
	default:
		return "most of it in transactions: their SQL, or how many they are"
	}
}

func (b *BackupHealth) warnings() []string {
	if b == nil {
		return nil
	}
	var all []string
	if b.Failed != "" {
		all = append(all, "The last backup failed: "+b.Failed)
	}
	if since := time.Since(b.Unshipped); !b.Unshipped.IsZero() && since > tellUnshipped {
		all = append(all, fmt.Sprintf("The frame log has not been shipped for %v: losing this machine would cost what was written since.", since.Round(time.Second)))
	}
	if b.Gap != "" {
		all = append(all, fmt.Sprintf("Of the versions %s the frame log was cut before it was shipped: no restore can end there.", b.Gap))
	}
	return all
}

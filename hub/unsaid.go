package hub

import (
	"slices"

	"framehub/session/wire"
	"framehub/store"
)

// While the store can't commit, what devices write is refused, and the refusals are
// written down later: until then the inbox knows of them, for devices that come again
// and ask what became of what they had sent.

// unsaid takes note of a refusal that the store does not know of. Only a device's last
// ones are kept, as the store keeps them.
func (b *inbox) unsaid(o *outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := o.device
	if len(d.unsaid) >= store.Unsettled {
		d.unsaid = slices.Delete(d.unsaid, 0, 1)
	}
	d.unsaid = append(d.unsaid, o.logged().Rejected)
}

// said forgets refusals that the store knows of by now.
func (b *inbox) said(outcomes []store.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range outcomes {
		if d := b.devices[outcomes[i].Device]; d != nil {
			d.unsaid = slices.DeleteFunc(d.unsaid, func(r wire.Rejected) bool { return r.Seq == outcomes[i].Seq })
			b.forget(d)
		}
	}
}

// refusal returns why a device's transaction was refused, if the store does not know of
// it, and whether its outcome is still to come.
func (b *inbox) refusal(d *device, seq uint64) (r *wire.Refusal, pending bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range d.unsaid {
		if d.unsaid[i].Seq == seq {
			refusal := d.unsaid[i].Refusal // what the list holds moves
			return &refusal, false
		}
	}
	return nil, slices.Contains(d.pending, seq)
}

// addUnsaid adds to what the store knows of a device what it does not know yet.
func addUnsaid(look *store.DeviceLook, unsaid []wire.Rejected) {
	for _, r := range unsaid {
		if slices.ContainsFunc(look.Rejected, func(known wire.Rejected) bool { return known.Seq == r.Seq }) {
			continue // it has just been written down
		}
		look.Known, look.Settled = true, max(look.Settled, r.Seq)
		look.Rejected = append(look.Rejected, r)
	}
	look.Rejected = look.Rejected[max(0, len(look.Rejected)-store.Unsettled):]
}

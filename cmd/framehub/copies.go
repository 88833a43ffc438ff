package main

import (
	"context"
	"io"

	"framehub/backup"
	"framehub/web"
)

// State implements [web.Backups].
func (b *backups) State() web.BackupState {
	s := b.worker.State()
	looks := make([]web.BackupLook, len(s.Looks))
	for i, l := range s.Looks {
		looks[i] = web.BackupLook(l)
	}
	return web.BackupState{
		Place: s.Place, Now: s.Now, Running: s.Running, Phase: s.Phase, Done: s.Done, Total: s.Total, Asked: s.Asked, Answer: s.Answer,
		Last: (*web.BackupOutcome)(s.Last), LastGood: (*web.BackupOutcome)(s.LastGood), Next: s.Next, Count: s.Count, Failures: s.Failures, Looks: looks,
		Shipping: s.Shipping, Shipped: s.Shipped, ShipTrouble: s.ShipTrouble, Unshipped: s.Unshipped, Gap: s.Gap,
	}
}

// Health implements [web.Backups].
func (b *backups) Health() web.BackupHealth {
	s := b.worker.State()
	h := web.BackupHealth{Unshipped: s.Unshipped, Gap: s.Gap}
	if s.Last != nil {
		h.Failed = s.Last.Error
	}
	if s.LastGood != nil {
		h.LastGood = s.LastGood.Began
	}
	return h
}

// Ask implements [web.Backups].
func (b *backups) Ask(why string) uint64 { return b.worker.Ask(why) }

// List implements [web.Backups].
func (b *backups) List(ctx context.Context) (web.BackupList, error) {
	catalog, err := backup.List(ctx, b.place)
	if err != nil {
		return web.BackupList{}, err
	}
	return web.BackupList{Place: b.place.String(), DB: b.db, Copies: describeCopies(catalog)}, nil
}

// Verify implements [web.Backups].
func (b *backups) Verify(ctx context.Context, history string, version uint64) error {
	return b.worker.Verify(ctx, history, version)
}

// Find implements [web.Backups].
func (b *backups) Find(ctx context.Context, history string, version uint64) (d web.Download, err error) {
	f, err := b.worker.Find(ctx, history, version)
	if err == nil {
		err = f.Err
	}
	if err != nil {
		return d, err
	}
	return web.Download{Name: f.FileName(), Size: f.ArchiveSize(), Write: func(ctx context.Context, to io.Writer) error {
		return b.worker.Archive(ctx, f, to)
	}}, nil
}

// describeCopies lists the copies of a catalog, oldest first.
func describeCopies(c *backup.Catalog) []web.Backup {
	list := []web.Backup{}
	for _, h := range c.Histories {
		for _, f := range h.Copies {
			list = append(list, describeCopy(h, f))
		}
	}
	return list
}

func describeCopy(h *backup.History, f *backup.CopyFile) web.Backup {
	b := web.Backup{History: h.Name, Version: f.Version, Reach: f.Reach, Size: f.Size, Proof: "not proven"}
	if m := f.Manifest; m != nil {
		b.Time, b.Made, b.RawSize, b.Encrypted = m.Time, m.Made, m.Raw.Size, m.Data.Encryption != ""
		for i := range m.Contents.Tables {
			b.Rows += m.Contents.Tables[i].Rows
		}
		if p := m.Proof; p != nil {
			b.Proof, b.Proven, b.From, b.Error = "not good", p.Time, p.Restored, p.Error
		}
		if m.Good() {
			b.Proof = "good"
		}
	}
	if f.Err != nil {
		b.Proof, b.Error = "not good", f.Err.Error()
	}
	return b
}

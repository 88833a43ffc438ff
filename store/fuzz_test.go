package store_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"framehub/store"
)

// FuzzEntry: bytes that are no entry are refused, and never make anything panic;
// what is read is written and read again the same.
func FuzzEntry(f *testing.F) {
	d := openDB(f, propertySchema, func(o *store.Options) { o.Scopes = map[string]string{"plain": "n", "pair": "k", "flat": "a"} })
	p := &propertyRun{testDB: d, random: random{rand.New(rand.NewPCG(1, 7))}}
	d.own(func(dev store.Device) string { return string(dev[:1]) })
	for range 30 {
		tx1, _ := p.transaction()
		tx2, _ := p.transaction()
		e, _ := d.frame(tx1, tx2)
		b, err := store.LoggedBytes(d.Store, e.Version)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	schema := d.Schema()
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := store.DecodeEntry(b, schema)
		if err != nil {
			return
		}
		for _, c := range e.Tables {
			for i := range c.Rows {
				_ = e.Writers[c.Rows[i].By]
				c.Find(c.Table.KeyOf(c.Images.Row(i)))
			}
		}
		once, err := store.EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := store.DecodeEntry(once, schema)
		if err != nil {
			t.Fatalf("what was encoded can't be read: %v", err)
		}
		twice, err := store.EncodeEntry(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("encoded %x, then %x (%v)", once, twice, err)
		}
	})
}

package testbed

import "testing"

func TestSequence(t *testing.T) {
	for _, name := range []string{"even", "zipf"} {
		s := Named(name)
		const n = 200_000 // more than a period
		offsets, lanes := make([]int64, Partitions), make([]int64, len(Keys))
		t.Run(name+" finds a record's key by its position", func(t *testing.T) {
			for i := range n {
				key := s.At(i)
				p := int32(key % Partitions)
				if got := s.Of(p, offsets[p]); got != key {
					t.Fatalf("record %d, at %d of partition %d, has key %d, but Of returns %d", i, offsets[p], p, key, got)
				}
				offsets[p]++
				lanes[key]++
			}
		})
		t.Run(name+" counts the records of each partition and key", func(t *testing.T) {
			ends := s.Ends(n)
			for p := range ends {
				if ends[p] != offsets[p] {
					t.Errorf("%d records in partition %d, want %d", offsets[p], p, ends[p])
				}
			}
			for key, got := range Lanes(s, make([]int64, Partitions), ends) {
				if got != lanes[key] {
					t.Errorf("%d records of key %d, want %d", lanes[key], key, got)
				}
			}
		})
	}
	t.Run("zipf has a key with a sixth of all records", func(t *testing.T) {
		n, s := 0, Zipf()
		for i := range 1 << 16 {
			if s.At(i) == 0 {
				n++
			}
		}
		if share := float64(n) / (1 << 16); share < 0.15 || share > 0.2 {
			t.Errorf("the most frequent key has %.3f of all records", share)
		}
	})
}

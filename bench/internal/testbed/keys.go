package testbed

import (
	"fmt"
	"math/rand/v2"
)

// Keys are the thousand keys. Key k belongs to partition k modulo [Partitions].
var Keys = func() (k [1000][]byte) {
	for i := range k {
		k[i] = fmt.Appendf(nil, "key-%04d", i)
	}
	return
}()

// Sequence is the order of the keys in a topic. It is periodic: the key of a record follows from
// its offset, by a table that stays in the processor's cache.
type Sequence struct {
	all  []uint16
	part [Partitions][]uint16
}

// Even is a sequence of equally frequent keys.
func Even() *Sequence {
	return sequence(len(Keys), func(i int) int { return i * 7919 % len(Keys) })
}

// Zipf is a sequence of keys with the probability of key k in proportion to (k+1)^-1.1. The most
// frequent key has a sixth of all records. The sequence is the same in every process.
func Zipf() *Sequence {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(len(Keys)-1))
	return sequence(1<<16, func(int) int { return int(z.Uint64()) })
}

// Named returns the sequence with a name, "even" or "zipf".
func Named(name string) *Sequence {
	if name == "zipf" {
		return Zipf()
	}
	return Even()
}

func sequence(period int, key func(i int) int) *Sequence {
	s := &Sequence{all: make([]uint16, period)}
	for i := range s.all {
		k := uint16(key(i))
		s.all[i] = k
		p := k % Partitions
		s.part[p] = append(s.part[p], k)
	}
	return s
}

// At returns the key of record i, counted over all partitions in the order of production.
func (s *Sequence) At(i int) int { return int(s.all[i%len(s.all)]) }

// Of returns the key of the record at an offset of a partition.
func (s *Sequence) Of(partition int32, offset int64) int {
	keys := s.part[partition]
	return int(keys[uint64(offset)%uint64(len(keys))])
}

// Ends returns how many of the first n records are in each partition.
func (s *Sequence) Ends(n int) []int64 {
	ends := make([]int64, Partitions)
	for i := range n {
		ends[s.At(i)%Partitions]++
	}
	return ends
}

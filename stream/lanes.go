package stream

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Lane is the unfinished records of a partition that have the same key. Its Explanation says what
// the first of them waits for: Record is that record, and Behind counts the others.
//
// Lanes are by key, whatever the chain groups by.
type Lane struct {
	Key     []byte // nil: the records without a key
	Records int    // unfinished records in memory, without those that are set aside
	Explanation
}

// Lanes returns the hottest and the oldest keys of a partition: the n keys with the most unfinished
// records, and the n keys with the oldest ones. Each key is returned once, ordered by the offset of
// its first unfinished record. total counts all keys that have unfinished records.
//
// It costs nothing until it is called. A call reads the unfinished records of the partition, about
// MaxInFlight at most, and takes no stack.
func (p *Pipeline) Lanes(tp TopicPartition, n int) (lanes []Lane, total int) {
	r := p.current()
	if r == nil {
		return nil, 0
	}
	q := r.part(tp)
	if q == nil {
		return nil, 0
	}
	all := q.byKey()
	some, now := hottestAndOldest(all, n), time.Now()
	wanted := map[*record]*spotted{}
	for _, k := range some {
		wanted[k.first.rec] = nil
	}
	busy := r.find(wanted, now)
	for _, k := range some {
		l := Lane{Key: k.key, Records: k.first.behind + 1,
			Explanation: Explanation{TopicPartition: tp, At: now, Committed: -1, End: -1}}
		l.assigned(r, busy, q, k.first, wanted[k.first.rec])
		if l.Cause == CauseHalt && !q.haltNames(l.Record.Offset) {
			l.Step, l.Attempt, l.Err = "", 0, nil // of a record of another lane
		}
		lanes = append(lanes, l)
	}
	return lanes, len(all)
}

// keyed counts the unfinished records of a key.
type keyed struct {
	key   []byte
	at    int // position in byKey
	first oldest
}

// byKey returns the keys with unfinished records, in the order of their first ones.
func (p *part) byKey() (all []*keyed) {
	type name struct {
		key string
		has bool // an empty key is not the same as none
	}
	by := map[name]*keyed{}
	for _, q := range []*part{p.tail, p} { // the tail has the older ones
		if q == nil {
			continue
		}
		for s, i := range q.led.Unfinished {
			m, ok := s.Payload.(values).meta(int32(i))
			if !ok {
				continue // it finishes just now
			}
			if k := by[name{string(m.Key), m.Key != nil}]; k != nil {
				k.first.behind++
				continue
			}
			k := &keyed{slices.Clone(m.Key), len(all), oldest{rec: s.Payload.(values).record(i), came: s.Came()}}
			by[name{string(m.Key), m.Key != nil}], all = k, append(all, k)
		}
	}
	return all
}

// hottestAndOldest returns the first n keys and the n keys with the most records.
func hottestAndOldest(all []*keyed, n int) []*keyed {
	n = max(0, min(n, len(all)))
	hot := slices.Clone(all)
	slices.SortStableFunc(hot, func(a, b *keyed) int { return cmp.Compare(b.first.behind, a.first.behind) })
	some := slices.Concat(all[:n], hot[:n])
	slices.SortFunc(some, func(a, b *keyed) int { return cmp.Compare(a.at, b.at) })
	return slices.Compact(some)
}

// haltNames reports whether the record at offset may have caused the partition's halt.
func (p *part) haltNames(offset int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.halt != nil && p.halt.Meta.Offset <= offset && offset <= p.halt.Last
}

// Why says what the lane waits for, as the rest of a sentence that starts with the lane.
func (l Lane) Why() string {
	switch {
	case l.Cause == CauseHalt && l.Step == "":
		return "waits since its partition is halted" + l.times()
	case l.Cause == CausePark && l.Step == "":
		return "is parked by hand: Resume lets it continue" + l.times()
	case l.Cause == CausePark:
		return "is parked by " + l.Step + ": fix the cause and Resume, or Skip the record" + l.times()
	}
	return l.why()
}

// String formats the lane for an operator, on one line.
func (l Lane) String() string {
	key := "no key"
	if l.Key != nil {
		key = fmt.Sprintf("key %q", l.Key)
	}
	return fmt.Sprintf("%s, %s from %v on: %s", key, counted(l.Records, "record"), *l.Record, l.Why())
}

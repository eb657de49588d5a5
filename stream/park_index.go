package stream

import (
	"slices"
	"sync"
	"sync/atomic"
)

// parkIndex finds the parks of a record. Workers read it without a lock. A change costs the same
// however many parks there are.
type parkIndex struct {
	lanes, records atomic.Int32 // parks by scope
	// []*park by lane (uint64) and by offset (int64); the slices never change
	by sync.Map
}

func (x *parkIndex) add(k *park) {
	x.count(k).Add(1)
	k.keys(func(key any) {
		x.by.Store(key, append(slices.Clip(x.under(key)), k))
	})
}

func (x *parkIndex) remove(k *park) {
	k.keys(func(key any) {
		left := slices.DeleteFunc(slices.Clone(x.under(key)), func(o *park) bool { return o == k })
		if len(left) == 0 {
			x.by.Delete(key)
		} else {
			x.by.Store(key, left)
		}
	})
	x.count(k).Add(-1)
}

func (x *parkIndex) count(k *park) *atomic.Int32 {
	if k.Scope == ScopeLane {
		return &x.lanes
	}
	return &x.records
}

func (x *parkIndex) under(key any) []*park {
	ks, _ := x.by.Load(key)
	all, _ := ks.([]*park)
	return all
}

// keys calls f with each key under which the index has the park.
func (k *park) keys(f func(key any)) {
	if k.Scope == ScopeLane {
		f(k.lane)
		return
	}
	for _, at := range k.among {
		f(at)
	}
}

// covering yields the parks of the record with that offset and key.
func (x *parkIndex) covering(offset int64, key []byte) func(yield func(*park) bool) {
	return func(yield func(*park) bool) {
		if x.records.Load() > 0 {
			for _, k := range x.under(offset) {
				if !yield(k) {
					return
				}
			}
		}
		if x.lanes.Load() == 0 {
			return
		}
		for _, k := range x.under(keyHash(key)) {
			if offset >= k.Meta.Offset && !yield(k) {
				return
			}
		}
	}
}

// laneOf returns a park of the lane of the record with that offset and key, or nil.
func (x *parkIndex) laneOf(offset int64, key []byte) *park {
	if x.lanes.Load() == 0 {
		return nil
	}
	for _, k := range x.under(keyHash(key)) {
		if offset >= k.Meta.Offset {
			return k
		}
	}
	return nil
}

// at returns a park of the record with that offset and key, or nil.
func (x *parkIndex) at(offset int64, key []byte) *park {
	for k := range x.covering(offset, key) {
		return k
	}
	return nil
}

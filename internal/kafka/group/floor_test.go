package group

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// floor is shared by several members: it detects two with the same partition.
type floor struct {
	mu      sync.Mutex // guards the fields below
	owner   map[wire.TopicPartition]string
	clashes []string
	changed chan struct{} // closed and replaced by every change
}

func newFloor() *floor {
	return &floor{owner: map[wire.TopicPartition]string{}, changed: make(chan struct{})}
}

func (f *floor) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *floor) take(who string, tps ...wire.TopicPartition) {
	f.update(func() {
		for _, tp := range tps {
			if other, taken := f.owner[tp]; taken {
				f.clashes = append(f.clashes, fmt.Sprintf("%v given to %s while %s has it", tp, who, other))
			}
			f.owner[tp] = who
		}
	})
}

func (f *floor) remove(who string, tps ...wire.TopicPartition) {
	f.update(func() {
		for _, tp := range tps {
			if f.owner[tp] == who {
				delete(f.owner, tp)
			}
		}
	})
}

func (f *floor) of(who string) []wire.TopicPartition {
	var tps []wire.TopicPartition
	for tp, o := range f.owner {
		if o == who {
			tps = append(tps, tp)
		}
	}
	slices.SortFunc(tps, wire.TopicPartition.Compare)
	return tps
}

// await waits until cond, which is called with f locked, holds.
func (f *floor) await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		f.mu.Lock()
		ok, changed, owner := cond(), f.changed, maps.Clone(f.owner)
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("waited too long for: %s; the partitions belong to %v", what, owner)
		}
	}
}

func (f *floor) awaitShares(t *testing.T, shares map[string]int) {
	t.Helper()
	f.await(t, fmt.Sprintf("shares %v", shares), func() bool {
		for who, n := range shares {
			if len(f.of(who)) != n {
				return false
			}
		}
		return true
	})
}

func (f *floor) check(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.clashes {
		t.Error(c)
	}
}

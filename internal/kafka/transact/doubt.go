package transact

import (
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/produce"
)

// doubts is the partitions of transactions of which it is not known how they ended. Whoever made
// one may not have heard: a partition of it was lost, and for the others the same comes again,
// together or apart. Nothing of them is written until somebody has asked for what is stored.
type doubts struct {
	mu    sync.Mutex // guards parts; a leaf, so that Offsets needs not wait for a Commit
	parts map[produce.TP]bool
}

func (d *doubts) add(offsets map[produce.TP]Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parts == nil {
		d.parts = map[produce.TP]bool{}
	}
	for tp := range offsets {
		d.parts[tp] = true
	}
}

func (d *doubts) about(offsets map[produce.TP]Position) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for tp := range offsets {
		if d.parts[tp] {
			return true
		}
	}
	return false
}

func (d *doubts) settle(parts []produce.TP) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, tp := range parts {
		delete(d.parts, tp)
	}
}

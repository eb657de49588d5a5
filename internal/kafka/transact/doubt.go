package transact

import (
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// doubts holds the partitions of transactions with an unknown outcome. The caller of such a Commit
// may have missed its error: one partition was lost, and the others come again, together or apart.
// None of them may be written until Offsets was called for it.
type doubts struct {
	mu    sync.Mutex // guards parts; a leaf, so that Offsets need not wait for a Commit
	parts map[wire.TopicPartition]bool
}

func (d *doubts) add(offsets map[wire.TopicPartition]Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parts == nil {
		d.parts = map[wire.TopicPartition]bool{}
	}
	for tp := range offsets {
		d.parts[tp] = true
	}
}

func (d *doubts) about(offsets map[wire.TopicPartition]Position) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for tp := range offsets {
		if d.parts[tp] {
			return true
		}
	}
	return false
}

func (d *doubts) settle(parts []wire.TopicPartition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, tp := range parts {
		delete(d.parts, tp)
	}
}

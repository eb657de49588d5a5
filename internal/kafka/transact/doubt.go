package transact

import (
	"slices"
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

func (d *doubts) add(parts []wire.TopicPartition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parts == nil {
		d.parts = map[wire.TopicPartition]bool{}
	}
	for _, tp := range parts {
		d.parts[tp] = true
	}
}

func (d *doubts) about(parts []wire.TopicPartition) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(parts, func(tp wire.TopicPartition) bool { return d.parts[tp] })
}

func (d *doubts) settle(parts []wire.TopicPartition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, tp := range parts {
		delete(d.parts, tp)
	}
}

package stream

import (
	"slices"
	"sync"
)

// news lists the partitions that may have something new to commit, so that a commit asks no others.
// It costs nothing for each record of a partition that is listed already.
type news struct {
	// guards all and writes of part.listed; a leaf
	mu  sync.Mutex
	all []*part
}

// add lists a partition. Call it after the change: take unlists a partition before anything of it
// is read, so that no change is missed.
func (n *news) add(p *part) {
	if p.listed.Load() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !p.listed.Load() {
		p.listed.Store(true)
		n.all = append(n.all, p)
	}
}

// take returns the listed partitions and unlists them.
func (n *news) take() (all []*part) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, n.all = n.all, nil
	for _, p := range all {
		p.listed.Store(false)
	}
	return all
}

// remove takes out a released partition, which is not listed again.
func (n *news) remove(p *part) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p.listed.Store(true)
	n.all = slices.DeleteFunc(n.all, func(q *part) bool { return q == p })
}

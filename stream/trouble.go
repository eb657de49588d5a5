package stream

import (
	"slices"
	"time"
)

// Trouble reports why a partition cannot be read, whether it is assigned or not. A nil err ends the
// trouble: the partition is read again or belongs to another worker. The pipeline stays ready.
func (in *Intake[T]) Trouble(tp TopicPartition, err error) {
	in.inlet.trouble(in.inlet.inside(tp), printable(err))
}

func (r *run) trouble(tp TopicPartition, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.troubles[tp]
	switch {
	case err == nil:
		delete(r.troubles, tp)
	case known:
		r.troubles[tp] = Trouble{tp, old.Since, err}
	default:
		r.troubles[tp] = Trouble{tp, time.Now(), err}
	}
}

// inTrouble returns the partitions that cannot be read, sorted.
func (r *run) inTrouble() []Trouble {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Trouble, 0, len(r.troubles))
	for _, t := range r.troubles {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Trouble) int {
		return a.order(b.TopicPartition)
	})
	return all
}

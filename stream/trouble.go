package stream

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Trouble is a partition that cannot be read, though it is this worker's: no leader, no offset to start from, no permission. It waits by itself, the others
// are read. Snapshot lists troubles, and /readyz.
type Trouble struct {
	TopicPartition           // Partition -1: the whole topic
	Since          time.Time // when the source told of it
	Err            error
}

func (t Trouble) String() string {
	where := t.TopicPartition.String()
	if t.Partition < 0 {
		where = t.Topic
	}
	return fmt.Sprintf("%s cannot be read since %s: %v", where, t.Since.Format(time.RFC3339), t.Err)
}

// Trouble says that a partition cannot be read and why, assigned or not yet; nil: it is read again, or is another worker's. The pipeline stays ready.
func (in *Intake[T]) Trouble(tp TopicPartition, err error) { in.run.trouble(tp, err) }

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

// inTrouble lists the partitions that cannot be read.
func (r *run) inTrouble() []Trouble {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Trouble, 0, len(r.troubles))
	for _, t := range r.troubles {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}

package stream

import (
	"context"

	"github.com/laneway-go/laneway/internal/ledger"
	"github.com/laneway-go/laneway/internal/resume"
)

// Rereader is a Source that can read records of an assigned partition again. Without it, the later
// records of a lane that is parked, or tried again for long, stay in memory, and fill MaxInFlight
// in the end. With it, a lane that holds more than its share is set aside: its later records are
// dropped, and read again after that.
type Rereader[T any] interface {
	Source[T]
	// Reread returns the records of a partition from an offset on, in order: as many as one Feed would
	// have, with its arguments. Records that no longer exist are left out. next is the position after
	// them and after gaps; from, if there is nothing to read yet. An error is retried. What cannot be
	// read at from, such as a broken batch, also halts the partition: see Partition.Halt.
	//
	// It is called with offsets below Partition.Next, beside Run and Commit, and for one partition not
	// twice at once. It blocks until ctx ends at most. It is called after Run has returned too, if the
	// source was exhausted.
	Reread(ctx context.Context, at TopicPartition, id TopicID, from int64) (vals []T, lineage Lineage, next, bytes int64, err error)
}

func (f *feederOf[T]) rereads() bool {
	_, ok := f.src.(Rereader[T])
	return ok
}

func (f *feederOf[T]) reread(ctx context.Context, p *part, from int64) (c *rereadChunk, err error) {
	c = &rereadChunk{from: from}
	err = guarded(func() error {
		vals, lineage, next, bytes, err := f.src.(Rereader[T]).Reread(ctx, p.tp.outside(), p.topic, from)
		if err != nil {
			return err
		}
		c.next = next
		for i := range vals {
			c.offsets, c.lanes = append(c.offsets, lineage.Offset(i)), append(c.lanes, resume.LaneOf(lineage.Key(i)))
		}
		c.slabs = func(of []int) (slabs []*ledger.Slab, err error) {
			err = guarded(func() error { slabs = oneByOne(p, vals, lineage, bytes, of); return nil })
			return slabs, err
		}
		return nil
	})
	return c, err
}

// oneByOne returns a slab for each of some values. They share nothing with the others, if these can
// be copied.
func oneByOne[T any](p *part, vals []T, lineage Lineage, bytes int64, of []int) (slabs []*ledger.Slab) {
	if len(of) == 0 {
		return nil
	}
	if c, ok := lineage.(Copier[T]); ok {
		vals, lineage, bytes = c.CopyOut(of)
		for k := range of {
			of[k] = k
		}
	}
	memory := ledger.NewMemory(bytes)
	for _, i := range of {
		s := newSlab(p, nil, vals[i:i+1:i+1], lineageFrom{lineage, i}, 0, 0)
		s.Use(memory)
		slabs = append(slabs, s)
	}
	return slabs
}

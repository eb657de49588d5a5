package stream

import (
	"context"
	"errors"
	"slices"
)

// transactor is a Transactor without its element type.
type transactor interface {
	restore(ctx context.Context, parts map[TopicPartition]TopicID) (map[TopicPartition]Position, error)
	commit(ctx context.Context, pres []*prefix, groups map[string]GroupMetadata) error
	// stateBytes returns the largest state that is stored with an offset; 0: none is
	stateBytes() int
	is() any
}

type transactorOf[T any] struct{ tx Transactor[T] }

func (t transactorOf[T]) is() any { return t.tx }

func (t transactorOf[T]) stateBytes() int {
	if s, ok := t.tx.(interface{ StateBytes() int }); ok {
		return s.StateBytes()
	}
	return 0
}

func (t transactorOf[T]) restore(ctx context.Context, parts map[TopicPartition]TopicID) (at map[TopicPartition]Position, err error) {
	err = guarded(func() (err error) { at, err = t.tx.Restore(ctx, parts); return err })
	return at, err
}

func (t transactorOf[T]) commit(ctx context.Context, pres []*prefix, groups map[string]GroupMetadata) error {
	txn := Txn[T]{Elems: make([]Out[T], 0, resultsIn(pres)), Offsets: make(map[TopicPartition]OffsetRange, len(pres)), Groups: groups}
	for _, pre := range pres {
		txn.Elems = append(txn.Elems, pre.outs.(outsOf[T])...)
		txn.Offsets[pre.part.tp] = OffsetRange{From: pre.from, Next: pre.next, TopicID: pre.part.topic, State: pre.part.haltsFrom(pre.next)}
	}
	return guarded(func() error { return t.tx.Commit(ctx, txn) })
}

// names reports whether err names failed elements of a transaction.
func names(err error, pres []*prefix) bool { return culprits(err, resultsIn(pres)) != nil }

// blame returns what is to blame for a failed transaction: of each partition the first element that
// the error names, with its own error, or all partitions if it names none. Elements that were
// postponed are not to blame if others are: the next transaction waits for them.
func blame(f failing, pres []*prefix) (guilty []found) {
	cs := culprits(f.err, resultsIn(pres))
	if bad := slices.DeleteFunc(slices.Clone(cs), func(c culprit) bool { return postponed(c.err) != nil }); len(bad) > 0 {
		cs = bad
	}
	from := 0
	for _, pre := range pres {
		to := from + len(pre.recs)
		switch i := slices.IndexFunc(cs, func(c culprit) bool { return from <= c.i && c.i < to }); {
		case cs == nil:
			guilty = append(guilty, found{pre, f})
		case i >= 0:
			k := cs[i].i - from
			guilty = append(guilty, found{pre.cut(k, k+1, pre.from, pre.next), failing{cs[i].err, f.took}})
		}
		from = to
	}
	return guilty
}

// fencedOf returns the partitions of a failed transaction that another owner has fenced or whose
// topic is gone. It returns nil if err is no such error.
func fencedOf(err error, pres []*prefix) map[*part]bool {
	var fenced *FencedError
	var deleted *TopicGoneError
	var named []TopicPartition
	switch {
	case errors.As(err, &fenced):
		named = fenced.Partitions
	case errors.As(err, &deleted):
		named = deleted.Partitions
	default:
		return nil
	}
	if lost := namedOf(named, pres); len(lost) > 0 {
		return lost
	}
	return nil
}

// namedOf returns the partitions of a transaction that are named; all if none are.
func namedOf(named []TopicPartition, pres []*prefix) map[*part]bool {
	are := map[*part]bool{}
	for _, pre := range pres {
		if len(named) == 0 || slices.Contains(named, pre.part.tp) {
			are[pre.part] = true
		}
	}
	return are
}

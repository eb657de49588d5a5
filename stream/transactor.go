package stream

import (
	"context"
	"errors"
	"slices"
)

// transactor is a Transactor whose element type was forgotten.
type transactor interface {
	restore(ctx context.Context, parts map[TopicPartition]TopicID) (map[TopicPartition]Position, error)
	commit(ctx context.Context, pres []*prefix, group GroupMetadata) error
	is() any
}

type transactorOf[T any] struct{ tx Transactor[T] }

func (t transactorOf[T]) is() any { return t.tx }

func (t transactorOf[T]) restore(ctx context.Context, parts map[TopicPartition]TopicID) (at map[TopicPartition]Position, err error) {
	err = guarded(func() (err error) { at, err = t.tx.Restore(ctx, parts); return err })
	return at, err
}

func (t transactorOf[T]) commit(ctx context.Context, pres []*prefix, group GroupMetadata) error {
	txn := Txn[T]{Offsets: make(map[TopicPartition]OffsetRange, len(pres)), Group: group}
	for _, pre := range pres {
		txn.Elems = append(txn.Elems, pre.outs.([]Out[T])...)
		txn.Offsets[pre.part.tp] = OffsetRange{From: pre.from, Next: pre.next, TopicID: pre.part.topic}
	}
	return guarded(func() error { return t.tx.Commit(ctx, txn) })
}

// blame is which of the partitions of a failed transaction have to answer for it, each at the
// element that keeps it from being written: those that err names, or all of them, at their first.
func blame(err error, pres []*prefix) map[*part]int {
	at := map[*part]int{}
	n := 0
	for _, pre := range pres {
		n += len(pre.recs)
	}
	bad := failedOf(err, n)
	i := 0
	for _, pre := range pres {
		for k := range pre.recs {
			if _, found := slices.BinarySearch(bad, i); found {
				if _, earlier := at[pre.part]; !earlier {
					at[pre.part] = k
				}
			}
			i++
		}
		if bad == nil {
			at[pre.part] = 0
		}
	}
	return at
}

// fencedOf is which of the partitions of a failed transaction have another owner, or another topic;
// nil: err does not say so.
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
	lost := map[*part]bool{}
	for _, pre := range pres {
		if len(named) == 0 || slices.Contains(named, pre.part.tp) {
			lost[pre.part] = true
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return lost
}

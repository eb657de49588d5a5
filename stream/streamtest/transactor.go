package streamtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/laneway-go/laneway/stream"
)

// Transactor is a database in memory, for tests of chains that end in CommitWith. It stores results
// together with the offsets that they came from, and the halts. It refuses a transaction that does
// not begin at the stored offset, with a *stream.FencedError. It outlives the pipelines that write
// to it, and several may write at once. The zero value is empty.
type Transactor[T any] struct {
	mu      sync.Mutex // guards the fields below
	at      map[stream.TopicPartition]stream.Position
	results []T
	fail    []error // of the next Commits, which store nothing
	lose    []error // of the next Commits, which store all
}

// FailCommits makes the next Commits fail with errs, one after another. They store nothing.
func (x *Transactor[T]) FailCommits(errs ...error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fail = append(x.fail, errs...)
}

// LoseAnswers makes the next Commits that succeed return errs, one after another. They store their
// results, as a database does whose answer is lost. The partitions restart at the stored offset, so
// the log must not be finished before.
func (x *Transactor[T]) LoseAnswers(errs ...error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lose = append(x.lose, errs...)
}

// Results returns the stored results, in the order in which they were stored.
func (x *Transactor[T]) Results() []T {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]T(nil), x.results...)
}

// Offset returns the stored offset of a partition, -1 for none.
func (x *Transactor[T]) Offset(tp stream.TopicPartition) int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at, ok := x.at[tp]; ok {
		return at.Offset
	}
	return -1
}

// StateBytes says that halts are stored with the offsets.
func (x *Transactor[T]) StateBytes() int { return stateBytes }

// Restore implements stream.Transactor.
func (x *Transactor[T]) Restore(_ context.Context, parts map[stream.TopicPartition]stream.TopicID) (map[stream.TopicPartition]stream.Position, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := map[stream.TopicPartition]stream.Position{}
	for tp := range parts {
		if stored, ok := x.at[tp]; ok {
			at[tp] = stored
		}
	}
	return at, nil
}

// Commit implements stream.Transactor.
func (x *Transactor[T]) Commit(ctx context.Context, tx stream.Txn[T]) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := next(&x.fail); err != nil {
		return err
	}
	if err := x.compare(tx.Offsets); err != nil {
		return err
	}
	if x.at == nil {
		x.at = map[stream.TopicPartition]stream.Position{}
	}
	for tp, r := range tx.Offsets {
		x.at[tp] = stream.Position{Offset: r.Next, TopicID: r.TopicID, State: r.State}
	}
	for _, e := range tx.Elems {
		x.results = append(x.results, e.Value)
	}
	return next(&x.lose)
}

// compare refuses ranges that do not begin at the stored offset of the same topic. The caller holds
// mu.
func (x *Transactor[T]) compare(ranges map[stream.TopicPartition]stream.OffsetRange) error {
	var fenced stream.FencedError
	for tp, r := range ranges {
		if at, ok := x.at[tp]; ok && at.TopicID == r.TopicID && at.Offset != r.From {
			fenced.Partitions = append(fenced.Partitions, tp)
			fenced.Err = errors.Join(fenced.Err, fmt.Errorf("%v: offset %d is stored, and the transaction begins at %d", tp, at.Offset, r.From))
		}
	}
	if fenced.Partitions == nil {
		return nil
	}
	return &fenced
}

// next takes the first of errs.
func next(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

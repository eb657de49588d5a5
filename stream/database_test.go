package stream_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/laneway-go/laneway/stream"
)

type tp = stream.TopicPartition

// database is a Transactor in memory: it keeps results and offsets together, and outlives
// the workers that write to it.
type database struct {
	mu   sync.Mutex
	at   map[tp]stream.Position
	txns []stream.Txn[string]
	// what the next Commits return, and store nothing; nil: succeed
	before []func(stream.Txn[string]) error
	rows   []string                         // that no transaction is written with, which does not say so
	after  []func(stream.Txn[string]) error // what they return having stored
	holds  chan struct{}
	apart  bool // a transaction a partition
	shared bool // by several pipelines, whose Commits may meet
	states int  // the largest state that it stores; 0: none
	tries  int
	inside int
	most   int
	wrong  []string
}

func newDatabase() *database { return &database{at: map[tp]stream.Position{}} }

func (b *database) PerPartition() bool { return b.apart }

func (b *database) StateBytes() int { return b.states }

func (b *database) Restore(_ context.Context, parts map[tp]stream.TopicID) (map[tp]stream.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := map[tp]stream.Position{}
	for p := range parts {
		if stored, ok := b.at[p]; ok {
			at[p] = stored
		}
	}
	return at, nil
}

func (b *database) Commit(ctx context.Context, tx stream.Txn[string]) error {
	b.mu.Lock()
	b.tries++
	b.inside++
	if b.most = max(b.most, b.inside); b.inside > 1 && !b.apart && !b.shared {
		b.wrong = append(b.wrong, "two Commits at once")
	}
	if b.apart && len(tx.Offsets) != 1 {
		b.wrong = append(b.wrong, fmt.Sprintf("%d partitions in one transaction", len(tx.Offsets)))
	}
	hold := b.holds
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inside--
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := next(&b.before, tx); err != nil {
		return err
	}
	for _, e := range tx.Elems {
		if slices.Contains(b.rows, e.Value) {
			return errBoom
		}
	}
	for p, r := range tx.Offsets {
		if old, ok := b.at[p]; ok && (old.TopicID == r.TopicID || old.TopicID == stream.TopicID{}) && old.Offset != r.From {
			return &stream.FencedError{Partitions: []tp{p}, Err: fmt.Errorf("%d is stored, %d was expected", old.Offset, r.From)}
		}
	}
	for _, e := range tx.Elems {
		if r := tx.Offsets[e.Meta.TopicPartition()]; e.Meta.Offset < r.From || e.Meta.Offset >= r.Next {
			b.wrong = append(b.wrong, fmt.Sprintf("%v is not in %v", e.Meta, r))
		}
	}
	for p, r := range tx.Offsets {
		b.at[p] = stream.Position{Offset: r.Next, TopicID: r.TopicID, State: r.State}
	}
	b.txns = append(b.txns, tx)
	return next(&b.after, tx)
}

// calls returns how often Commit was called.
func (b *database) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries
}

// peak returns how many Commits were in progress at once.
func (b *database) peak() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.most
}

// position returns what is stored for a partition.
func (b *database) position(of tp) stream.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at[of]
}

func (b *database) blame(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, what)
}

func next(fs *[]func(stream.Txn[string]) error, tx stream.Txn[string]) error {
	if len(*fs) == 0 {
		return nil
	}
	f := (*fs)[0]
	*fs = (*fs)[1:]
	if f == nil {
		return nil
	}
	return f(tx)
}

// refuse makes the next Commits fail.
func (b *database) refuse(errs ...error) *database {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, err := range errs {
		b.before = append(b.before, func(stream.Txn[string]) error { return err })
	}
	return b
}

// poison makes Commits fail that hold one of the rows, without naming it. Without rows they succeed
// again.
func (b *database) poison(rows ...string) *database {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = rows
	return b
}

// hold makes Commits wait until the returned func is called, or their context ends.
func (b *database) hold() (release func()) {
	ch := make(chan struct{})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds = ch
	return sync.OnceFunc(func() { close(ch) })
}

// stored is the results in the order in which they were stored.
func (b *database) stored() (vs []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, tx := range b.txns {
		for _, e := range tx.Elems {
			vs = append(vs, e.Value)
		}
	}
	return vs
}

// written is each transaction: what it moved and what it held.
func (b *database) written() (txns []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, tx := range b.txns {
		s := ""
		for _, p := range slices.SortedFunc(maps.Keys(tx.Offsets), func(a, b tp) int { return a.Partition - b.Partition }) {
			s += fmt.Sprintf("%d:[%d,%d) ", p.Partition, tx.Offsets[p].From, tx.Offsets[p].Next)
		}
		for _, e := range tx.Elems {
			s += e.Value + " "
		}
		txns = append(txns, s[:len(s)-1])
	}
	return txns
}

func (b *database) faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.wrong)
}

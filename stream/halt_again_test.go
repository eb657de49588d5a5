package stream

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// still is a source that a test feeds by hand.
type still struct{}

func (still) Info() SourceInfo                                          { return SourceInfo{Name: "still", NoCommit: "nowhere"} }
func (still) Run(context.Context, *Intake[int]) error                   { return nil }
func (still) Commit(context.Context, map[TopicPartition]Position) error { return nil }

// lines is the lineage of records from an offset on.
type lines int64

func (l lines) Meta(i int) Meta    { return Meta{Topic: "t", Offset: l.Offset(i)} }
func (l lines) Key(int) []byte     { return nil }
func (l lines) Offset(i int) int64 { return int64(l) + int64(i) }

// fed is a run of a chain with one partition that is not fed yet.
func fed[T any](t *testing.T, s Stream[T]) (*run, *Partition[int]) {
	t.Helper()
	pl, err := s.Build()
	if err != nil {
		t.Fatal(err)
	}
	r, err := pl.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	r.setStop(ctx, stop)
	ps, err := (&Intake[int]{inlet: r.inlets[0]}).Assign(ctx, Assignment{TopicPartition: TopicPartition{Topic: "t"}, Wake: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	return r, ps[0]
}

func TestHaltEnds(t *testing.T) {
	boom := errors.New("boom")
	fails := func(_ context.Context, v int) error {
		if v == 0 {
			return boom
		}
		return nil
	}
	t.Run("not after a transaction has halted the partition too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, in := fed(t, From(func() Source[int] { return still{} }).Serial(fails).HaltOnError())
			in.Feed([]int{0, 1}, lines(0), 2, 2)
			synctest.Wait()
			p := in.p
			var once sync.Once
			p.led.Finished = func() { once.Do(func() { p.freeze(Failure{Err: boom}, one(0), byTransaction, 0) }) }
			if err := p.release(*p.halt, ending{how: giveUp}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if h := p.status().halted(); h != byTransaction {
				t.Errorf("halted %d, want by a transaction", h)
			}
			if !p.calm() {
				t.Error("what was not started was not settled")
			}
			r.lose(boom, []*part{p})
			must(t, r.close(nil))
		})
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package stream_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// deafVault is a database whose Commits and Restores wait and ignore their context.
type deafVault struct {
	*database
	commits, restores chan struct{}
}

func (b deafVault) Commit(c context.Context, tx stream.Txn[string]) error {
	if b.commits != nil {
		<-b.commits
	}
	return b.database.Commit(context.WithoutCancel(c), tx)
}

func (b deafVault) Restore(c context.Context, parts map[tp]stream.TopicID) (map[tp]stream.Position, error) {
	if b.restores != nil {
		<-b.restores
	}
	return b.database.Restore(c, parts)
}

func TestOverrunningOfEachKind(t *testing.T) {
	none := func(string) bool { return false }
	deaf := []stream.StepOption{stream.Named("deaf"), stream.Timeout(5 * time.Second)}
	for name, chain := range map[string]func(until chan struct{}) stream.Stream[string]{
		"a Map": func(until chan struct{}) stream.Stream[string] {
			return commitNow(input.Map(func(_ ctx, v string) (string, error) { <-until; return v, nil }, deaf...).SkipOnError())
		},
		"a FlatMap": func(until chan struct{}) stream.Stream[string] {
			return commitNow(input.FlatMap(func(c ctx, v string) (seq[string], error) { <-until; return thrice(c, v) }, deaf...).SkipOnError())
		},
		"a Tap": func(until chan struct{}) stream.Stream[string] {
			return commitNow(input.Tap(func(ctx, string) error { <-until; return nil }, deaf...).SkipOnError())
		},
		"a Filter": func(until chan struct{}) stream.Stream[string] {
			return commitNow(input.Filter(func(string) bool { <-until; return true }, deaf...).SkipOnError())
		},
		"a To": func(until chan struct{}) stream.Stream[string] {
			return commitNow(input.To(sinkOf(func(ctx) error { <-until; return nil }), deaf...).SkipOnError())
		},
		"Serial": func(until chan struct{}) stream.Stream[string] {
			return commitNow(input.Serial(func(ctx, string) error { <-until; return nil }, stream.Named("deaf"), stream.Timeout(5*time.Second)).SkipOnError())
		},
		"a branch": func(until chan struct{}) stream.Stream[string] {
			return commitNow(input.AlsoTo(func(s stream.Stream[string]) stream.Stream[string] {
				return s.Serial(func(ctx, string) error { <-until; return nil }, stream.Named("deaf"), stream.Timeout(5*time.Second)).SkipOnError()
			}))
		},
		"the tail below CommitBefore": func(until chan struct{}) stream.Stream[string] {
			return input.CommitBefore(1, time.Second).Serial(func(ctx, string) error { <-until; return nil }, stream.Named("deaf"), stream.Timeout(5*time.Second)).SkipOnError()
		},
		"a transaction": func(until chan struct{}) stream.Stream[string] {
			return input.CommitWith(deafVault{newDatabase(), until, nil}, 1, 0, stream.Named("deaf"), stream.Timeout(5*time.Second))
		},
		"a transaction of offsets alone": func(until chan struct{}) stream.Stream[string] {
			return input.Filter(none).CommitWith(deafVault{newDatabase(), until, nil}, 1, 0, stream.Named("deaf"), stream.Timeout(5*time.Second))
		},
		"a Restore": func(until chan struct{}) stream.Stream[string] {
			return input.CommitWith(deafVault{newDatabase(), nil, until}, 1, 0, stream.Named("deaf"), stream.Timeout(5*time.Second))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, until := newLog(1), make(chan struct{})
				put(l, 0, "a0")
				j := start(t, l, chain(until))
				elapse(10 * time.Second)
				got := heard[stream.Overrunning](j)
				if len(got) != 1 || got[0].Step != "deaf" || got[0].Meta.String() != "t[0]@0" || got[0].Attempts != 1 {
					t.Fatalf("events: %v", got)
				}
				if n := j.Snapshot().Overruns; n != 1 {
					t.Errorf("%d overrun", n)
				}
				says := "its Timeout of 5s ended"
				switch name {
				case "the tail below CommitBefore":
					says = ""
				case "a Restore":
					says = "waits for deaf to return where it starts, for 10s"
				}
				if e := j.Explain(at(0)); !strings.Contains(e.String(), says) {
					t.Errorf("Explain: %s", e)
				}
				close(until)
				synctest.Wait()
				if n := j.Snapshot().Overruns; n != 0 {
					t.Errorf("%d overrun after it has returned", n)
				}
				must(t, j.stop())
				j.committed(1)
			})
		})
	}
}

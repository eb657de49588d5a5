package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// word is a word of the language, for a chain of any shape.
type word struct {
	name  string
	build func(s chain, d shape) chain
	fused bool // it has no workers of its own; length is the number of such words in each stage
}

// shape is the size of a chain in each dimension.
type shape struct{ partitions, keys, workers, inFlight, stages, length, size int }

// usual is the shape from which one dimension grows at a time.
var usual = shape{partitions: 1, keys: 1000, workers: 64, inFlight: 4096, stages: 1, length: 1, size: 100}

// source makes n messages.
func (d shape) source(n int) *feed {
	f := newFeed(n)
	f.partitions, f.keys, f.value = d.partitions, keysOf(d.keys), payload[:d.size]
	return f
}

// inside is a word that runs in the workers of the degree word below it.
func inside(name string, put func(s chain, nth int) chain) word {
	return word{name, func(s chain, d shape) chain {
		s = s.GroupByKey()
		for stage := range d.stages {
			for nth := range d.length {
				s = put(s, stage*d.length+nth)
			}
			s = s.Concurrent(d.workers, noop)
		}
		return atLeastOnce(s)
	}, true}
}

// stage is a word that has workers of its own, or groups the elements for them.
func stage(name string, put func(s chain, d shape) chain) word {
	return word{name, func(s chain, d shape) chain {
		for range d.stages {
			s = put(s, d)
		}
		return atLeastOnce(s)
	}, false}
}

// above is a commit with all work above it.
func above(name string, commit func(chain) chain) word {
	return word{name, func(s chain, d shape) chain { return commit(worked(s, d)) }, false}
}

// below is a commit with all work below it.
func below(name string, commit func(chain) chain) word {
	return word{name, func(s chain, d shape) chain { return worked(commit(s), d) }, false}
}

// amid is a commit with work above and below it.
func amid(name string, commit func(chain) chain) word {
	return word{name, func(s chain, d shape) chain {
		s = commit(worked(s, d))
		for range d.stages {
			s = s.Concurrent(d.workers, noop)
		}
		return s
	}, false}
}

// worked adds the work to a chain that measures its commit.
func worked(s chain, d shape) chain {
	s = s.GroupByKey()
	for range d.stages {
		s = s.Concurrent(d.workers, noop)
	}
	return s
}

// words are all words of the language.
var words = []word{
	inside("Map", func(s chain, _ int) chain { return s.Map(same) }),
	inside("Tap", func(s chain, _ int) chain { return s.Tap(noop) }),
	inside("Filter", func(s chain, _ int) chain { return s.Filter(func(message) bool { return true }) }),
	inside("FlatMap", func(s chain, _ int) chain { return s.FlatMap(once) }),
	inside("Batch", func(s chain, _ int) chain { return s.Batch(10, time.Second).FlatMap(unbatch) }),
	inside("Throttle", func(s chain, _ int) chain { return s.Throttle(1e12, 1e9) }),
	inside("AlsoTo", func(s chain, _ int) chain { return s.AlsoTo(aside) }),
	inside("AlsoTo, with lanes", func(s chain, _ int) chain { return s.AlsoTo(inLanes) }),
	inside("DivertTo", func(s chain, _ int) chain { return s.DivertTo(never, aside) }),
	inside("To", func(s chain, _ int) chain { return s.To(nowhere{}) }),
	inside("Transform", func(s chain, nth int) chain { return s.Transform(fmt.Sprint("transform ", nth), passOn) }),

	stage("GroupByPartition", func(s chain, d shape) chain { return s.GroupByPartition().Concurrent(d.workers, noop) }),
	stage("GroupByKey", func(s chain, d shape) chain { return s.GroupByKey().Concurrent(d.workers, noop) }),
	stage("GroupBy", func(s chain, d shape) chain { return s.GroupBy(byKey).Concurrent(d.workers, noop).Ungroup() }),
	stage("Ungroup", func(s chain, d shape) chain { return s.GroupByKey().Concurrent(d.workers, noop).Ungroup() }),
	stage("Serial", func(s chain, _ shape) chain { return s.Serial(noop) }),
	stage("Serial by partition", func(s chain, _ shape) chain { return s.GroupByPartition().Serial(noop) }),
	stage("MapSerial", func(s chain, _ shape) chain { return s.GroupByPartition().MapSerial(same) }),
	stage("Concurrent", func(s chain, d shape) chain { return s.Concurrent(d.workers, noop) }),
	stage("MapConcurrent", func(s chain, d shape) chain { return s.MapConcurrent(d.workers, same) }),
	stage("KeepOrder", func(s chain, d shape) chain { return s.Concurrent(d.workers, noop, stream.KeepOrder()) }),
	stage("MaxPartitions", func(s chain, d shape) chain {
		return s.GroupByPartition().Concurrent(d.workers, noop, stream.MaxPartitions(4))
	}),

	above("CommitEach, work above", func(s chain) chain { return s.CommitEach() }),
	above("CommitEvery, work above", atLeastOnce),
	below("CommitBefore, work below", atMostOnce),
	amid("CommitBefore, work above and below", atMostOnce),
	above("CommitWith", func(s chain) chain { return exactlyOnce(s, 1000) }),
	above("CommitWith, one at a time", func(s chain) chain { return exactlyOnce(s, 1) }),

	inside("RetryOnError", func(s chain, _ int) chain {
		return s.Map(failing()).RetryOnError(stream.RetryPolicy{MaxAttempts: 1000, Wait: func(stream.Failure) time.Duration { return 0 }})
	}),
	inside("SkipOnError", func(s chain, _ int) chain { return s.Map(failing()).SkipOnError() }),
	inside("DeadLetterOnError", func(s chain, _ int) chain { return s.Map(failing()).DeadLetterOnError(letters{}) }),
	inside("HaltOnError", func(s chain, _ int) chain { return s.Map(same).HaltOnError() }),
	inside("FailOnError", func(s chain, _ int) chain { return s.Map(same).FailOnError() }),
}

func same(_ context.Context, m message) (message, error) { return m, nil }

// aside is a branch that does nothing, in the worker of its fork; inLanes has lanes of its own.
func aside(s chain) chain   { return s.Tap(noop) }
func inLanes(s chain) chain { return s.Concurrent(64, noop) }

func never(message) bool { return false }

func once(_ context.Context, m message) (iter.Seq[message], error) {
	return func(yield func(message) bool) { yield(m) }, nil
}

func thrice(_ context.Context, m message) (iter.Seq[message], error) {
	return func(yield func(message) bool) {
		for range 3 {
			if !yield(m) {
				return
			}
		}
	}, nil
}

func unbatch(_ context.Context, ms []message) (iter.Seq[message], error) {
	return slices.Values(ms), nil
}

func byKey(m message) string { return string(m.Key) }

func passOn(_ context.Context, in <-chan stream.Elem[message], out chan<- stream.Elem[message]) error {
	for e := range in {
		out <- e
	}
	return nil
}

var errSometimes = errors.New("fails sometimes")

// failing returns a function that fails on every other attempt at one record in a hundred.
func failing() func(context.Context, message) (message, error) {
	var times atomic.Int64
	return func(_ context.Context, m message) (message, error) {
		if m.Offset%100 == 0 && times.Add(1)%2 == 1 {
			return m, errSometimes
		}
		return m, nil
	}
}

func TestWords(t *testing.T) {
	// This shows that the benchmarks measure complete work.
	t.Run("pass on every record", func(t *testing.T) {
		for _, w := range words {
			t.Run(w.name, func(t *testing.T) {
				d := usual
				d.partitions, d.workers, d.stages = 3, 4, 2
				if w.fused {
					d.length = 2
				}
				f := d.source(3000)
				run(t, w.build(f.stream(), d), inFlight(d.inFlight))
				if f.committed != 3000 {
					t.Errorf("%d of 3000 committed", f.committed)
				}
			})
		}
	})
}

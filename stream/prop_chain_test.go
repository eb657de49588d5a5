package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// item is what flows: a source record, or a descendant of it. Path tells descendants apart: one
// byte for each FlatMap, Transform and AlsoTo passed.
type item struct {
	P    int
	Off  int64
	Key  string
	Path string
}

func (it item) String() string {
	return fmt.Sprintf("%d@%d%q%v", it.P, it.Off, it.Key, []byte(it.Path))
}

func (it item) child(n int) item { it.Path += string([]byte{byte('a' + n)}); return it }

// before is the order of the log, and among descendants of one record that of their making.
func (it item) before(o item) bool { return it.Off < o.Off || it.Off == o.Off && it.Path < o.Path }

func (it item) sum() int {
	n := int(it.Off)
	for _, c := range []byte(it.Path) {
		n += int(c)
	}
	return n
}

// What words do to an item is a function of the item and of the word's place, so that the model
// knows it too.
func kids(at int, it item) int     { return (it.sum() + at) % 3 }
func keeps(at int, it item) bool   { return (it.sum()+at)%4 != 0 }
func lot(it item) int              { return it.sum() % 3 }
func diverts(at int, it item) bool { return (it.sum()+at)%3 == 0 }

// also is what an AlsoTo sends into its branch.
func also(at int, it item) item { return it.child(10 + at) }

// 0: drop, 1: pass, 2: fork
func forks(at int, it item) int { return [...]int{0, 2, 1, 1, 1}[(it.sum()+at)%5] }

type kind int

const (
	mapWord kind = iota
	filterWord
	flatMapWord
	batchWord // what follows, up to flattenWord, gets []item
	flattenWord
	serialWord
	concurrentWord
	toWord
	transformWord
	alsoWord // its branch follows
	divertWord
	throttleWord
	byPartitionWord
	byKeyWord
	byFuncWord
	ungroupWord
	retryWord
	skipWord
	deadWord
	haltWord
	parkWord
	failWord
	commitEachWord
	commitEveryWord
)

var kindNames = [...]string{"Map", "Filter", "FlatMap", "Batch", "Flatten", "Serial", "Concurrent", "To", "Transform", "AlsoTo", "DivertTo", "Throttle", "GroupByPartition",
	"GroupByKey", "GroupBy", "Ungroup", "RetryOnError", "SkipOnError", "DeadLetterOnError", "HaltOnError", "ParkOnError", "FailOnError", "CommitEach", "CommitEvery"}

// word is one word of a random chain.
type word struct {
	kind    kind
	at      int  // its place
	above   bool // a commit with work below
	n       int
	wait    time.Duration
	taps    bool // Serial and Concurrent rather than MapSerial and MapConcurrent
	keep    bool // KeepOrder
	parts   int  // MaxPartitions, 0: none
	bisect  bool // the error for several elements names none of them, and what fails is found
	wrapped bool // through middleware
	when    bool // the policy takes only some of the errors
	branch  int  // so many words that follow are its branch
}

func (w word) String() string {
	var opts []string
	if w.n > 0 {
		opts = append(opts, fmt.Sprint(w.n))
	}
	if w.wait > 0 {
		opts = append(opts, w.wait.String())
	}
	if w.keep {
		opts = append(opts, "KeepOrder")
	}
	if w.bisect {
		opts = append(opts, "Bisect")
	}
	if w.parts > 0 {
		opts = append(opts, fmt.Sprintf("MaxPartitions(%d)", w.parts))
	}
	if w.when {
		opts = append(opts, "When(odd)")
	}
	if w.branch > 0 {
		opts = append(opts, fmt.Sprintf("up to %d", w.at+w.branch))
	}
	return fmt.Sprintf("%d:%s(%s)", w.at, kindNames[w.kind], strings.Join(opts, ", "))
}

func (w word) isPolicy() bool { return w.kind >= retryWord && w.kind <= failWord }
func (w word) forks() bool    { return w.kind == alsoWord || w.kind == divertWord }
func (w word) end() int       { return w.at + 1 + w.branch } // of its branch
func (w word) isCommit() bool { return w.kind == commitEachWord || w.kind == commitEveryWord }
func (w word) isDegree() bool { return w.kind == serialWord || w.kind == concurrentWord }

// calls reports whether the word calls a handler of the test, whose calls are watched.
func (w word) calls() bool {
	switch w.kind {
	case mapWord, flatMapWord, serialWord, concurrentWord, toWord:
		return true
	}
	return false
}

// mapsOrTaps reports whether the word may divide batches.
func (w word) mapsOrTaps() bool { return w.kind == mapWord || w.isDegree() }

// hands are the handlers of a chain, by the word's place.
type hands interface {
	// split: may name those that failed
	call(ctx context.Context, at int, items []item, split bool) error
	// a func without a context: may panic
	pick(at int, it item)
	// whether a Transform fails it
	refuse(at int, it item) error
	gaveUp(ctx context.Context, at int, f stream.Failure)
	write(ctx context.Context, at int, fs []stream.Out[stream.Failure]) error
}

// propChain builds a random chain below its sources.
func propChain(one stream.Stream[item], words []word, h hands) stream.Stream[item] {
	return propLine(one, words, false, h)
}

// propLine continues a stream with the words of a line. grouped: by key or by value.
func propLine(one stream.Stream[item], words []word, grouped bool, h hands) stream.Stream[item] {
	var many stream.Stream[[]item]
	batched := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch w.kind {
		case byKeyWord, byFuncWord:
			grouped = true
		case byPartitionWord, ungroupWord:
			grouped = false
		case serialWord:
			if grouped {
				w.n = 1000 // Build refuses Serial there: all groups at a time
			}
		}
		switch {
		case w.forks():
			one = propFork(one, w, words[i+1:i+1+w.branch], grouped, h)
			i += w.branch
		case w.kind == batchWord:
			many, batched = one.Batch(w.n, w.wait), true
		case w.kind == flattenWord:
			one, batched = many.FlatMap(func(_ context.Context, b []item) (iter.Seq[item], error) { return slices.Values(b), nil }), false
		case batched:
			many = addWord(many, w, h, func(b []item) []item { return b })
		default:
			one = addWord(addOne(one, w, h), w, h, func(it item) []item { return []item{it} })
		}
	}
	if batched {
		panic("an open batch")
	}
	return one
}

func propFork(s stream.Stream[item], w word, words []word, grouped bool, h hands) stream.Stream[item] {
	branch := func(s stream.Stream[item]) stream.Stream[item] { return propLine(s, words, grouped, h) }
	if w.kind == divertWord {
		return s.DivertTo(func(it item) bool { h.pick(w.at, it); return diverts(w.at, it) }, branch, w.stepOptions()...)
	}
	clone := func(it item) item { h.pick(w.at, it); return also(w.at, it) }
	return s.AlsoTo(branch, append(w.stepOptions(), stream.Clone(clone))...)
}

// addOne appends the words that change the number of elements.
func addOne(s stream.Stream[item], w word, h hands) stream.Stream[item] {
	switch w.kind {
	case filterWord:
		return s.Filter(func(it item) bool { h.pick(w.at, it); return keeps(w.at, it) })
	case flatMapWord:
		return s.FlatMap(func(ctx context.Context, it item) (iter.Seq[item], error) {
			return func(yield func(item) bool) {
				for n := range kids(w.at, it) {
					if !yield(it.child(n)) {
						return
					}
				}
			}, h.call(ctx, w.at, []item{it}, false)
		}, w.stepOptions()...)
	case transformWord:
		return s.Transform(fmt.Sprint("transform", w.at), func(ctx context.Context, in <-chan stream.Elem[item], out chan<- stream.Elem[item]) error {
			for e := range in {
				if err := h.refuse(w.at, e.Value); err != nil {
					e.Fail(err)
					continue
				}
				atDoor(w.at, e, func(e stream.Elem[item]) { out <- e })
			}
			return nil
		})
	}
	return s
}

func atDoor(at int, e stream.Elem[item], send func(stream.Elem[item])) {
	switch it := e.Value; forks(at, it) {
	case 0:
		e.Drop()
	case 1:
		send(e.With(it.child(0)))
	default:
		for n, f := range e.Fork(2) {
			send(f.With(it.child(n)))
		}
	}
}

// addWord appends the words that any element type knows.
func addWord[T any](s stream.Stream[T], w word, h hands, items func(T) []item) stream.Stream[T] {
	tap := func(ctx context.Context, v T) error {
		return h.call(ctx, w.at, items(v), w.taps && w.isDegree() && len(items(v)) > 1)
	}
	same := func(ctx context.Context, v T) (T, error) { return v, tap(ctx, v) }
	switch w.kind {
	case mapWord:
		if w.taps {
			return s.Tap(tap, w.stepOptions()...)
		}
		return s.Map(same, w.stepOptions()...)
	case serialWord:
		if w.n > 0 && w.taps {
			return s.Concurrent(w.n, tap, w.options()...)
		}
		if w.n > 0 {
			return s.MapConcurrent(w.n, same, w.options()...)
		}
		if w.taps {
			return s.Serial(tap, w.options()...)
		}
		return s.MapSerial(same, w.options()...)
	case concurrentWord:
		if w.taps {
			return s.Concurrent(w.n, tap, w.options()...)
		}
		return s.MapConcurrent(w.n, same, w.options()...)
	case toWord:
		return s.To(sinkFunc[T](func(ctx context.Context, out []stream.Out[T]) error {
			var all []item
			for _, o := range out {
				all = append(all, items(o.Value)...)
			}
			return h.call(ctx, w.at, all, len(all) == len(out) && len(out) > 1)
		}))
	case throttleWord:
		return s.Throttle(1000, w.n)
	case byPartitionWord:
		return s.GroupByPartition()
	case byKeyWord:
		return s.GroupByKey()
	case byFuncWord:
		return s.GroupBy(func(v T) int { it := items(v)[0]; h.pick(w.at, it); return lot(it) })
	case ungroupWord:
		return s.Ungroup()
	case commitEachWord:
		if w.above {
			return s.CommitBefore(1, 0)
		}
		return s.CommitEach()
	case commitEveryWord:
		if w.above {
			return s.CommitBefore(w.n, w.wait, stream.ByCountOnly())
		}
		return s.CommitEvery(w.n, w.wait, stream.ByCountOnly())
	}
	return addPolicy(s, w, h)
}

func addPolicy[T any](s stream.Stream[T], w word, h hands) stream.Stream[T] {
	opts := []stream.PolicyOption{stream.OnMatch(func(ctx context.Context, f stream.Failure) { h.gaveUp(ctx, w.at, f) })}
	if w.when {
		opts = append(opts, stream.When(oddOffset))
	}
	switch w.kind {
	case retryWord:
		return s.RetryOnError(stream.RetryPolicy{MaxAttempts: w.n, Wait: func(stream.Failure) time.Duration { return w.wait }}, opts...)
	case skipWord:
		return s.SkipOnError(opts...)
	case deadWord:
		return s.DeadLetterOnError(sinkFunc[stream.Failure](func(ctx context.Context, fs []stream.Out[stream.Failure]) error {
			return h.write(ctx, w.at, fs)
		}), opts...)
	case haltWord:
		return s.HaltOnError(opts...)
	case parkWord:
		return s.ParkOnError(opts...)
	case failWord:
		return s.FailOnError(opts...)
	}
	return s
}

// oddOffset is what When matches: failures of records with an odd offset.
func oddOffset(err error) bool {
	var f *fault
	return errors.As(err, &f) && f.it.Off%2 == 1
}

func (w word) stepOptions() (opts []stream.StepOption) {
	opts = append(opts, stream.Named(fmt.Sprint("step", w.at)))
	if w.bisect {
		opts = append(opts, stream.Bisect())
	}
	if w.wrapped {
		opts = append(opts, stream.Use(func(next stream.Handler) stream.Handler { return next }))
	}
	return opts
}

func (w word) options() (opts []stream.DegreeOption) {
	for _, o := range w.stepOptions() {
		opts = append(opts, o)
	}
	if w.keep {
		opts = append(opts, stream.KeepOrder())
	}
	if w.parts > 0 {
		opts = append(opts, stream.MaxPartitions(w.parts))
	}
	return opts
}

type sinkFunc[T any] func(context.Context, []stream.Out[T]) error

func (f sinkFunc[T]) Write(ctx context.Context, out []stream.Out[T]) error { return f(ctx, out) }

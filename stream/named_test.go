package stream_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// TestPartialError has a1 fail for good and a2 fail once, in one batch.
func TestPartialError(t *testing.T) {
	isBoom := stream.When(func(err error) bool { return errors.Is(err, errBoom) })
	policies := map[string]func(s stream.Stream[[]string], letters stream.Sink[stream.Failure]) stream.Stream[[]string]{
		"permanent, then skip": func(s stream.Stream[[]string], _ stream.Sink[stream.Failure]) stream.Stream[[]string] {
			return s.RetryOnError(every(time.Second, 5)).SkipOnError()
		},
		"a skip that matches it": func(s stream.Stream[[]string], _ stream.Sink[stream.Failure]) stream.Stream[[]string] {
			return s.SkipOnError(isBoom).RetryOnError(every(time.Second, 5)).HaltOnError()
		},
		"a letter that matches it": func(s stream.Stream[[]string], letters stream.Sink[stream.Failure]) stream.Stream[[]string] {
			return s.DeadLetterOnError(letters, isBoom).RetryOnError(every(time.Second, 5)).HaltOnError()
		},
	}
	for policy, govern := range policies {
		t.Run("is judged by the error of each element, "+policy, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, letters, seen := newLog(1), &sink[stream.Failure]{}, map[string]int{}
				put(l, 0, count("a", 4)...)
				var kept results
				handle := func(c ctx, vs []string) error {
					errs := map[int]error{}
					for i, v := range vs {
						switch seen[v]++; {
						case v == "a1":
							errs[i] = stream.Permanent(errBoom)
						case v == "a2" && seen[v] == 1:
							errs[i] = errOther
						default:
							_ = kept.add(c, v)
						}
					}
					if len(errs) > 0 {
						return &stream.PartialError{Errs: errs}
					}
					return nil
				}
				j := start(t, l, commitNow(govern(input.Batch(4, 0).Serial(handle), letters)))
				elapse(time.Minute)
				sameSet(t, "kept", kept.all(), []string{"a0", "a2", "a3"})
				gone := heard[stream.Skipped](j)
				for _, d := range heard[stream.DeadLettered](j) {
					gone = append(gone, stream.Skipped(d))
				}
				if len(gone) != 1 || gone[0].Meta.Offset != 1 || gone[0].Err.Error() != "boom" {
					t.Errorf("given up: %v", gone)
				}
				j.committed(4)
			})
		})
	}

	t.Run("of a part of a bisected batch too", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, count("a", 4)...)
			handle := func(_ ctx, vs []string) error {
				switch {
				case len(vs) == 4:
					return errOther
				case vs[0] == "a0":
					return &stream.PartialError{Errs: map[int]error{0: errBoom, 1: errOther}}
				}
				return nil
			}
			j := start(t, l, commitNow(input.Batch(4, 0).Serial(handle, stream.Bisect()).SkipOnError(isBoom).HaltOnError()))
			elapse(time.Minute)
			if h := j.halt(); h.Meta.Offset != 1 || len(heard[stream.Skipped](j)) != 1 {
				t.Errorf("%v; skipped: %v", h, heard[stream.Skipped](j))
			}
		})
	})

	t.Run("parks each element that has failed, and no other", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, count("a", 4)...)
			bad := map[string]error{"a1": errBoom, "a3": errOther}
			var out results
			handle := func(_ ctx, vs []string) error {
				errs := map[int]error{}
				for i, v := range vs {
					errs[i] = bad[v] // nil: it has not failed
				}
				return &stream.PartialError{Errs: errs}
			}
			j := start(t, l, commitNow(input.Concurrent(1, pass[string]).Batch(4, time.Second).Concurrent(1, handle).ParkOnError().
				Concurrent(1, func(c ctx, vs []string) error { return out.add(c, strings.Join(vs, " ")) })))
			elapse(time.Minute)
			hs := j.Halts()
			if len(hs) != 2 || hs[0].String() == hs[1].String() || hs[0].Last != hs[0].Meta.Offset || hs[1].Last != hs[1].Meta.Offset {
				t.Fatalf("halts: %v", hs)
			}
			same(t, "passed on", out.all(), []string{"a0 a2"})
			for _, h := range hs {
				must(t, j.Skip(h))
			}
			elapse(time.Second)
			j.committed(4)
		})
	})

	t.Run("of a transaction is judged by the error of each partition's element", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), newDatabase()
			tries := 0
			for range 100 {
				b.before = append(b.before, func(tx stream.Txn[string]) error {
					errs := map[int]error{}
					for i, e := range tx.Elems {
						switch {
						case e.Value == "x1":
							errs[i] = stream.Permanent(errBoom)
						case e.Value == "y1" && tries == 0:
							errs[i] = errOther
						}
					}
					if tries++; len(errs) > 0 {
						return &stream.PartialError{Errs: errs}
					}
					return nil
				})
			}
			put(l, 0, "x0", "x1")
			put(l, 1, "y0", "y1")
			j := start(t, l, input.CommitWith(b, 100, time.Second).RetryOnError(every(time.Second, 5)).HaltOnError())
			elapse(time.Minute)
			if h := j.halt(); h.Meta.Partition != 0 || h.Meta.Offset != 1 || h.Err.Error() != "boom" {
				t.Error(h)
			}
			if got := b.stored(); !slices.Contains(got, "y1") {
				t.Errorf("stored: %v", got)
			}
			j.committed(-1, 2)
		})
	})
}

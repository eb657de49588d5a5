package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// asSink makes a sink of store. Its errors name no element.
func asSink(store func(ctx, []string) error) *sink[string] {
	return &sink[string]{fail: func(es []stream.Out[string]) error {
		vs := make([]string, len(es))
		for i, e := range es {
			vs[i] = e.Value
		}
		return store(context.Background(), vs)
	}}
}

func TestBisectWrite(t *testing.T) {
	orders := map[string]func() stream.Stream[string]{
		"as read":      func() stream.Stream[string] { return input },
		"by partition": func() stream.Stream[string] { return input.GroupByPartition() },
		"by key":       func() stream.Stream[string] { return input.GroupByKey() },
		"in no order":  func() stream.Stream[string] { return input.Concurrent(1, pass[string]) },
	}
	for name, chain := range orders {
		for _, bad := range [][]string{{"a0"}, {"a18"}, {"a7"}, {"a0", "a18"}, {"a8", "a9"}} {
			t.Run(fmt.Sprintf("has the policy act on the culprits alone, %s/%v", name, bad), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					all := count("a", 19)
					l, s := newLog(1), newBatchStore(bad...)
					put(l, 0, all...)
					letters := &sink[stream.Failure]{}
					j := start(t, l, commitNow(chain().To(asSink(s.store)).RetryOnError(every(time.Second, 3)).DeadLetterOnError(letters)))
					elapse(time.Minute)
					same(t, "kept, in order", s.kept, without(all, bad...))
					var given []string
					for _, f := range letters.values() {
						given = append(given, f.Value.(string))
					}
					same(t, "dead letters", given, bad)
					if n := len(s.called()); n > 3+4*bits.Len(18)+8+18 { // one in no order comes in several writes
						t.Errorf("%d calls", n)
					}
					j.committed(19)
				})
			})
		}
	}

	t.Run("parks the culprit's lane, and writes those of others", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), newBatchStore("a1")
			put(l, 0, "b0", "a1", "c2", "a3", "b4", "a5", "c6", "b7")
			j := start(t, l, commitNow(input.GroupByKey().To(asSink(s.store)).ParkOnError()))
			elapse(time.Minute)
			same(t, "kept", s.kept, []string{"b0", "c2", "b4", "c6", "b7"})
			h := j.halt()
			if h.Scope != stream.ScopeLane || h.Meta.Offset != 1 || h.Last != 1 {
				t.Errorf("halt: %v", h)
			}
			must(t, j.Skip(h))
			elapse(time.Minute)
			same(t, "kept in the end", s.kept[5:], []string{"a3", "a5"})
			j.committed(8)
		})
	})

	t.Run("is not for failures of the whole, whose halt covers all", func(t *testing.T) {
		for name, c := range map[string]struct {
			chain func(*batchStore) stream.Stream[string]
			scope stream.Scope
			last  int64
		}{
			"HaltOnError":            {func(s *batchStore) stream.Stream[string] { return input.GroupByKey().To(asSink(s.store)).HaltOnError() }, stream.ScopePartition, 3},
			"ParkOnError, by key":    {func(s *batchStore) stream.Stream[string] { return input.GroupByKey().To(asSink(s.store)).ParkOnError() }, stream.ScopeLane, 3},
			"ParkOnError, ungrouped": {func(s *batchStore) stream.Stream[string] { return input.To(asSink(s.store)).ParkOnError() }, stream.ScopeRecord, 3},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					all := count("a", 4)
					l, s := newLog(1), newBatchStore()
					s.bad["a2"] = stream.Whole(errBoom)
					put(l, 0, all...)
					j := start(t, l, commitNow(c.chain(s)))
					elapse(time.Minute)
					h := j.halt()
					if h.Scope != c.scope || h.Meta.Offset != 0 || h.Last != c.last || h.Joined || len(s.called()) != 1 || !strings.Contains(h.String(), "@0 … @3") {
						t.Errorf("after %v: %v", s.called(), h)
					}
					if err := j.Skip(h); !errors.Is(err, stream.ErrSeveral) {
						t.Error(err)
					}
					must(t, j.SkipRange(h, 2, 2))
					elapse(time.Minute)
					same(t, "kept", s.kept, without(all, "a2"))
					if n := len(heard[stream.Skipped](j)); n != 1 {
						t.Errorf("%d are given up", n)
					}
					j.committed(4)
				})
			})
		}
	})

	t.Run("waits between its parts without an attempt if it is postponed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			all := count("a", 8)
			l, s, back := newLog(1), newBatchStore("a6"), make(chan struct{})
			put(l, 0, all...)
			away := false
			out := asSink(s.store)
			store := out.fail
			out.fail = func(es []stream.Out[string]) error {
				if len(es) == 4 && es[0].Value == "a4" && !away {
					away = true
					return stream.Postpone(errBoom, func(c ctx) error {
						select {
						case <-back:
							return nil
						case <-c.Done():
							return c.Err()
						}
					})
				}
				return store(es)
			}
			j := start(t, l, commitNow(input.To(out).SkipOnError()))
			elapse(time.Minute)
			if n := len(heard[stream.Skipped](j)); n != 0 {
				t.Errorf("%d are given up in the outage", n)
			}
			close(back)
			elapse(time.Minute)
			same(t, "kept", s.kept, without(all, "a6"))
			if n := len(heard[stream.Skipped](j)); n != 1 {
				t.Errorf("%d are given up", n)
			}
			j.committed(8)
		})
	})

	t.Run("blames no element if nothing succeeds and no order is kept", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			all := count("a", 64)
			l, s := newLog(1), newBatchStore(all...)
			put(l, 0, all...)
			// the first write is slow, so that the others queue behind it
			out := asSink(s.store)
			out.takes = time.Second
			j := start(t, l, commitNow(input.Concurrent(64, pass[string]).To(out).HaltOnError()))
			elapse(time.Hour)
			if h := j.halt(); h.Last == h.Meta.Offset && len(s.called()) > 1 && len(s.called()[1]) > 1 {
				t.Errorf("%v after %v", h, s.called())
			}
			s.fix()
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			sameSet(t, "kept", s.kept, all)
			j.committed(64)
		})
	})

	t.Run("blames no key if the first of two fail alike", func(t *testing.T) {
		for name, c := range map[string]struct {
			policy func(stream.Stream[string]) stream.Stream[string]
			scopes []stream.Scope
		}{
			"HaltOnError": {func(s stream.Stream[string]) stream.Stream[string] { return s.HaltOnError() }, []stream.Scope{stream.ScopePartition}},
			"ParkOnError": {func(s stream.Stream[string]) stream.Stream[string] { return s.ParkOnError() }, []stream.Scope{stream.ScopeLane, stream.ScopeLane, stream.ScopeLane}},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					all := []string{"a0", "a1", "b2", "a3", "c4", "b5", "c6", "c7"}
					l, s := newLog(1), newBatchStore(all...)
					put(l, 0, all...)
					j := start(t, l, commitNow(c.policy(input.GroupByKey().To(asSink(s.store)))))
					elapse(time.Minute)
					var scopes []stream.Scope
					for _, h := range j.Halts() {
						if scopes = append(scopes, h.Scope); h.Last == h.Meta.Offset {
							t.Errorf("blamed alone: %v", h)
						}
					}
					if !slices.Equal(scopes, c.scopes) || len(heard[stream.AttemptFailed](j)) == 0 {
						t.Errorf("halts: %v", j.Halts())
					}
					if n := len(s.called()); n != 1+3+1 { // all; a0 … a3, a0 a1, a0; b2
						t.Errorf("calls: %v", s.called())
					}
					s.fix()
					for _, h := range j.Halts() {
						must(t, j.Resume(h))
					}
					elapse(time.Minute)
					sameSet(t, "kept", s.kept, all)
					j.committed(8)
				})
			})
		}
	})

	t.Run("blames the first element if that of another key succeeds, and keeps the order of keys", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), newBatchStore("a0", "a3")
			put(l, 0, "a0", "a1", "b2", "a3", "b4", "c5")
			j := start(t, l, commitNow(input.GroupByKey().To(asSink(s.store)).HaltOnError()))
			for _, bad := range []int64{0, 3} {
				elapse(time.Minute)
				if h := j.halt(); h.Meta.Offset != bad || h.Last != bad {
					t.Errorf("%v after %v", h, s.called())
				}
				must(t, j.Skip(j.halt()))
			}
			elapse(time.Minute)
			sameSet(t, "kept", s.kept, []string{"a1", "b2", "b4", "c5"})
			if slices.Index(s.kept, "b2") > slices.Index(s.kept, "b4") {
				t.Errorf("kept: %v", s.kept)
			}
			j.committed(6)
		})
	})

	t.Run("holds up no written element of another key while one waits for its retry", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, tries := newLog(1), newWork(), 0
			put(l, 0, "a0", "b1", "a2", "c3")
			out := &sink[string]{fail: func(es []stream.Out[string]) error {
				if tries++; tries == 1 {
					return &stream.PartialError{Errs: map[int]error{0: errBoom}}
				}
				return nil
			}}
			j := start(t, l, commitNow(input.GroupByKey().To(out).RetryOnError(every(time.Hour, 2)).Concurrent(4, w.do)))
			elapse(time.Minute)
			sameSet(t, "done", w.done(), []string{"b1", "c3"})
			elapse(time.Hour)
			same(t, "of key a", w.doneOf("a"), []string{"a0", "a2"})
			j.committed(4)
		})
	})

	t.Run("is not needed if each element has its own error", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, calls := newLog(1), 0
			put(l, 0, count("a", 4)...)
			out := &sink[string]{fail: func(es []stream.Out[string]) error {
				calls++
				errs := map[int]error{}
				for i, e := range es {
					errs[i] = errors.New("no " + e.Value)
				}
				return &stream.PartialError{Errs: errs}
			}}
			j := start(t, l, commitNow(input.To(out).SkipOnError()))
			synctest.Wait()
			var got []string
			for _, e := range heard[stream.Skipped](j) {
				got = append(got, e.Err.Error())
			}
			same(t, "given up", got, []string{"no a0", "no a1", "no a2", "no a3"})
			if calls != 1 {
				t.Errorf("%d calls", calls)
			}
		})
	})
}

func TestBisectWriteBesideABranch(t *testing.T) {
	t.Run("keeps the order of its own line", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), newBatchStore("a1")
			put(l, 0, "a0", "a1", "a2")
			loose := func(s stream.Stream[string]) stream.Stream[string] { return s.Concurrent(4, pass) }
			j := start(t, l, commitNow(input.AlsoTo(loose).Serial(pass).To(asSink(s.store)).HaltOnError()))
			elapse(time.Second)
			if h := j.halt(); h.Meta.Offset != 1 {
				t.Errorf("halted at %v, want at a1", h.Meta)
			}
			for _, write := range s.called() {
				if write[0] == "a2" {
					t.Errorf("a2 was written before a1 was decided: %v", s.called())
				}
			}
			must(t, j.stop())
		})
	})
}

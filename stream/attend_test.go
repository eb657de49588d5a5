package stream_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/laneway-go/laneway/stream"
)

// notes is what observers under test have heard.
type notes struct {
	mu sync.Mutex
	ss []string
}

func (n *notes) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ss = append(n.ss, fmt.Sprintf(format, args...))
}

type tagKey struct{}

// tagging gives each record's context its offset.
func tagging(c ctx) (ctx, bool) {
	m, _ := stream.MetaOf(c)
	return context.WithValue(c, tagKey{}, m.Offset), m.Offset%2 == 0
}

func TestAttach(t *testing.T) {
	t.Run("gives each pipeline its own observer", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var got notes
			o := stream.Observer{
				Attach: func(p *stream.Pipeline) (stream.Observer, error) {
					name := p.Describe().Name
					return stream.Observer{Event: func(e stream.Event) {
						if _, ok := e.(stream.Assigned); ok {
							got.say("%s with %d partitions", name, len(p.Snapshot().Partitions))
						}
					}}, nil
				},
				Event: func(stream.Event) { t.Error("heard as if it was not attached") },
			}
			start(t, newLog(1), input.Serial(pass), stream.Observe(o), stream.Named("one"))
			start(t, newLog(2), input.Serial(pass), stream.Observe(o), stream.Named("two"))
			sameSet(t, "attached", slices.Compact(got.ss), []string{"one with 1 partitions", "two with 2 partitions"})
		})
	})
	t.Run("fails the build with every refusal", func(t *testing.T) {
		refuses := func(why string) stream.Observer {
			return stream.Observer{Attach: func(*stream.Pipeline) (stream.Observer, error) { return stream.Observer{}, errors.New(why) }}
		}
		panics := stream.Observer{Attach: func(*stream.Pipeline) (stream.Observer, error) { panic("the third") }}
		_, err := input.Serial(pass).Build(newLog(1).Source(), stream.Observe(refuses("the first"), refuses("the second"), panics))
		for _, why := range []string{"the first", "the second", "the third"} {
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%q is not in: %v", why, err)
			}
		}
	})
}

func TestBegin(t *testing.T) {
	t.Run("passes its context to every step", func(t *testing.T) {
		for name, chain := range map[string]func(*notes) stream.Stream[string]{
			"fused": func(n *notes) stream.Stream[string] {
				return commitNow(input.Map(echo).Serial(func(c ctx, v string) error { n.say("%s %v", v, c.Value(tagKey{})); return nil }))
			},
			"another stage": func(n *notes) stream.Stream[string] {
				return commitNow(input.Concurrent(2, pass).Ungroup().GroupByKey().Concurrent(8, func(c ctx, v string) error { n.say("%s %v", v, c.Value(tagKey{})); return nil }))
			},
			"below a commit": func(n *notes) stream.Stream[string] {
				return input.CommitBefore(1, 0).Serial(func(c ctx, v string) error { n.say("%s %v", v, c.Value(tagKey{})); return nil })
			},
			"a sink at the source": func(n *notes) stream.Stream[string] { return commitNow(input.To(tagged{n})) },
			"a batch": func(n *notes) stream.Stream[string] {
				return commitNow(flatten(input.Batch(2, 0).Serial(func(c ctx, b []string) error {
					i := 0
					for r := range stream.RecordsOf(c) {
						n.say("%s %v", b[i], r.Value(tagKey{}))
						i++
					}
					return nil
				})))
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, got := newLog(1), new(notes)
					put(l, 0, "a0", "a1")
					start(t, l, chain(got), stream.Observe(stream.Observer{Begin: tagging}))
					sameSet(t, "values", got.ss, []string{"a0 0", "a1 1"})
				})
			})
		}
	})
	// A slow record keeps those that were read with it; what observers have made of theirs it does not
	// keep.
	t.Run("frees its values with their record", func(t *testing.T) {
		type made struct {
			offset int64
			_      *int // memory of its own: small values without pointers share some
		}
		bubble(t, func(t *testing.T) {
			l, hold := newLog(1), make(chan struct{})
			put(l, 0, "a", "b", "c")
			var mu sync.Mutex
			all := map[int64]weak.Pointer[made]{}
			start(t, l, commitNow(input.GroupByKey().Concurrent(3, func(c ctx, v string) error {
				if v == "b" {
					<-hold
				}
				if got, ok := c.Value(tagKey{}).(*made); !ok || "abc"[got.offset:got.offset+1] != v {
					t.Errorf("%s found %v", v, got)
				}
				return nil
			})), stream.Observe(stream.Observer{Begin: func(c ctx) (ctx, bool) {
				m, _ := stream.MetaOf(c)
				its := &made{offset: m.Offset}
				mu.Lock()
				defer mu.Unlock()
				all[m.Offset] = weak.Make(its)
				return context.WithValue(c, tagKey{}, its), false
			}}))
			elapse(time.Minute)
			runtime.GC()
			for offset, its := range all {
				if there := its.Value() != nil; there != (offset == 1) {
					t.Errorf("what was made of record %d is there: %t", offset, there)
				}
			}
			close(hold)
		})
	})
	t.Run("chooses the records whose steps are heard", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0", "a1", "a2")
			var some, all notes
			hears := func(n *notes) func(ctx, stream.Call, error) {
				return func(_ ctx, c stream.Call, err error) {
					n.say("%s %d of %d, batch %t: %v", c.Step(), c.Meta().Offset, c.Records(), c.Batch(), err)
				}
			}
			start(t, l, commitNow(flatten(input.Serial(pass, stream.Named("one")).Batch(3, 0).Serial(pass, stream.Named("three")))),
				stream.Observe(stream.Observer{Begin: tagging, StepDone: hears(&some)}, stream.Observer{StepDone: hears(&all)}))
			batch := "three 0 of 3, batch true: <nil>"
			own := func(ss []string) []string {
				return slices.DeleteFunc(slices.Clone(ss), func(s string) bool { return strings.HasPrefix(s, "flat") })
			}
			same(t, "some", own(some.ss), []string{"one 0 of 1, batch false: <nil>", "one 2 of 1, batch false: <nil>", batch})
			same(t, "all", own(all.ss), []string{"one 0 of 1, batch false: <nil>", "one 1 of 1, batch false: <nil>", "one 2 of 1, batch false: <nil>", batch})
		})
	})
	t.Run("is called while the observer is awake, alone and beside others", func(t *testing.T) {
		for _, beside := range []int{0, 1} {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				var awake atomic.Bool
				var got, all notes
				observers := []stream.Observer{{Awake: &awake, Begin: func(c ctx) (ctx, bool) { got.say("begin"); return c, true },
					StepDone: func(_ ctx, c stream.Call, _ error) { got.say("%d", c.Meta().Offset) }}}
				for range beside {
					observers = append(observers, stream.Observer{Begin: tagging, StepDone: func(_ ctx, c stream.Call, _ error) { all.say("%d", c.Meta().Offset) }})
				}
				start(t, l, commitNow(input.Serial(pass)), stream.Observe(observers...))
				for i := range 4 {
					awake.Store(i == 1 || i == 2)
					put(l, 0, fmt.Sprint("a", i))
					elapse(time.Second)
				}
				same(t, "heard", got.ss, []string{"begin", "1", "begin", "2"})
				if beside > 0 {
					same(t, "the other", all.ss, []string{"0", "2"})
				}
			})
		}
	})
	t.Run("keeps its choice below a commit", func(t *testing.T) {
		for name, below := range map[string]func(stream.Stream[string]) stream.Stream[string]{
			"records": func(s stream.Stream[string]) stream.Stream[string] { return s.Serial(pass, stream.Named("below")) },
			"a batch undone": func(s stream.Stream[string]) stream.Stream[string] {
				return flatten(s.Batch(3, 0)).Serial(pass, stream.Named("below"))
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, n := newLog(1), 0
					put(l, 0, "a0", "a1", "a2")
					o := stream.Observer{
						Begin:    func(c ctx) (ctx, bool) { return c, false },
						StepDone: func(_ ctx, c stream.Call, _ error) { n++ },
					}
					chosen := stream.Observer{Begin: tagging, StepDone: func(_ ctx, c stream.Call, _ error) {
						if c.Step() == "below" && !c.Batch() && c.Meta().Offset%2 != 0 {
							t.Errorf("%v was not chosen", c.Meta())
						}
					}}
					heard := 0
					counted := stream.Observer{Begin: tagging, StepDone: func(_ ctx, c stream.Call, _ error) {
						if c.Step() == "below" {
							heard++
						}
					}}
					start(t, l, below(input.CommitBefore(1, 0)), stream.Observe(o, chosen, counted))
					elapse(time.Minute)
					if name == "records" && (n != 0 || heard != 2) || heard == 0 {
						t.Errorf("%d attempts were heard by who wanted none, %d by who wanted two", n, heard)
					}
				})
			})
		}
	})
	// The pipeline ends, but in the drain the record is worked on: what the others have made of it, and
	// whom it is to be heard by, is kept.
	t.Run("takes nothing from other observers when it panics", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			var got notes
			hears := func(name string) func(ctx, stream.Call, error) {
				return func(ctx, stream.Call, error) { got.say("%s", name) }
			}
			err := commitNow(input.Serial(func(c ctx, v string) error { got.say("%s %v", v, c.Value(tagKey{})); return nil })).Run(t.Context(), l.Source(),
				stream.Observe(stream.Observer{StepDone: hears("all")}, stream.Observer{Begin: tagging, StepDone: hears("even")},
					stream.Observer{Begin: func(ctx) (ctx, bool) { panic(errBoom) }, StepDone: hears("none")}))
			if !errors.Is(err, errBoom) {
				t.Errorf("Run: %v", err)
			}
			same(t, "heard", got.ss, []string{"a 0", "even", "all"})
		})
	})
	t.Run("runs again after Resume", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a1", errBoom)
			put(l, 0, "a0", "a1", "a2")
			var got notes
			j := start(t, l, commitNow(input.GroupByPartition().Serial(w.do).HaltOnError()), stream.Observe(stream.Observer{Begin: func(c ctx) (ctx, bool) {
				m, _ := stream.MetaOf(c)
				got.say("begin %d", m.Offset)
				stream.OnSettled(c, func(finished bool) { got.say("end %d %t", m.Offset, finished) })
				return c, false
			}}))
			must(t, j.Resume(j.halt()))
			elapse(0)
			same(t, "life", got.ss, []string{"begin 0", "end 0 true", "begin 1", "end 1 false", "begin 1", "end 1 true", "begin 2", "end 2 true"})
		})
	})
}

// tagged notes what it writes.
type tagged struct{ *notes }

func (w tagged) Write(c ctx, out []stream.Out[string]) error {
	i := 0
	for r := range stream.RecordsOf(c) {
		w.say("%s %v", out[i].Value, r.Value(tagKey{}))
		i++
	}
	return nil
}

func flatten(s stream.Stream[[]string]) stream.Stream[string] { return s.FlatMap(flat) }

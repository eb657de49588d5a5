package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestObserver(t *testing.T) {
	t.Run("hears how long a failed attempt took", func(t *testing.T) {
		slow := func(ctx, string) error { time.Sleep(3 * time.Second); return errBoom }
		for name, o := range map[string]stream.Observer{
			"timed": {TimeFailures: true, Event: func(stream.Event) {}},
			"heard": {StepDone: func(_ ctx, c stream.Call, _ error) {
				if c.Duration() != 3*time.Second {
					panic(c.Duration())
				}
			}},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a")
					j := start(t, l, commitNow(input.Serial(slow).SkipOnError()), stream.Observe(o))
					elapse(time.Minute)
					failed, skipped := heard[stream.AttemptFailed](j), heard[stream.Skipped](j)
					if len(failed) != 1 || len(skipped) != 1 || failed[0].Duration != 3*time.Second || skipped[0].Duration != 3*time.Second {
						t.Errorf("failed %v, skipped %v", failed, skipped)
					}
				})
			})
		}
	})
	t.Run("hears each attempt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", errBoom)
			put(l, 0, "a")
			var mu sync.Mutex
			var log []string
			say := func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				log = append(log, fmt.Sprintf(format, args...))
			}
			type key struct{}
			o := stream.Observer{
				StepStart: func(c ctx, call stream.Call) ctx {
					say("start %s %v %d", call.Step(), call.Meta(), call.Attempt())
					return context.WithValue(c, key{}, call.Attempt())
				},
				StepDone: func(c ctx, call stream.Call, err error) {
					say("done %s %v %d %v ctx of %v", call.Step(), call.Meta(), call.Attempt(), err, c.Value(key{}))
				},
			}
			start(t, l, commitNow(input.Map(echo).Serial(func(c ctx, v string) error {
				say("handler in ctx of %v", c.Value(key{}))
				return w.do(c, v)
			}, stream.Named("charge")).RetryOnError(every(0, 2))), stream.Observe(o))
			same(t, "log", log, []string{
				"start echo t[0]@0 1", "done echo t[0]@0 1 <nil> ctx of 1",
				"start charge t[0]@0 1", "handler in ctx of 1", "done charge t[0]@0 1 boom ctx of 1",
				"start charge t[0]@0 2", "handler in ctx of 2", "done charge t[0]@0 2 <nil> ctx of 2",
			})
		})
	})
	t.Run("hears the events of an assignment", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b", errBoom)
			put(l, 0, "a", "b")
			j := join(t, l, input.Serial(w.do).HaltOnError().CommitEach())
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			must(t, j.stop())
			var kinds []string
			for _, e := range j.ear.es {
				kinds = append(kinds, strings.TrimPrefix(fmt.Sprintf("%T", e), "stream."))
			}
			same(t, "events", slices.Compact(kinds), []string{"Assigned", "Committed", "AttemptFailed", "Halted", "Resumed", "Committed", "Draining", "Revoked", "Drained"})
			last := heard[stream.Committed](j)
			if tp := (stream.TopicPartition{Topic: "t"}); last[len(last)-1].Offsets[tp] != 2 {
				t.Errorf("committed: %v", last)
			}
		})
	})
	t.Run("hears the events of a source", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := newHand(1)
			j := h.start(t, h.chain())
			h.in.Emit(stream.SourceEvent{Name: "leader moved", TopicPartition: h.parts[0].TopicPartition()})
			h.in.Emit(stream.OffsetReset{TopicPartition: h.parts[0].TopicPartition(), From: 9, To: 3, Policy: "earliest"})
			if es := heard[stream.SourceEvent](j); len(es) != 1 || es[0].Name != "leader moved" {
				t.Errorf("events: %v", es)
			}
			if es := heard[stream.OffsetReset](j); len(es) != 1 || es[0].To != 3 {
				t.Errorf("events: %v", es)
			}
		})
	})
	t.Run("hears the cause of a drain", func(t *testing.T) {
		why := errors.New("the operator said so")
		causes := map[string]struct {
			run  func(context.Context, stream.Option) error
			want error
		}{
			"a cancelled context": {func(c context.Context, o stream.Option) error {
				c, cancel := context.WithCancelCause(c)
				go func() { time.Sleep(time.Second); cancel(why) }()
				return input.Run(c, newLog(1).Source(), o)
			}, why},
			"a failure": {func(c context.Context, o stream.Option) error {
				l := newLog(1)
				put(l, 0, "a")
				return input.Serial(newWork().poison("a", errBoom).do).Run(c, l.Source(), o)
			}, errBoom},
			"an error of the source": {func(c context.Context, o stream.Option) error {
				return stream.From(func() stream.Source[string] { return failing{} }).Run(c, o)
			}, errOther},
		}
		for name, c := range causes {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					e := new(ear)
					err := c.run(t.Context(), stream.Observe(stream.Observer{Event: e.hear}))
					got := heard[stream.Draining](&job{ear: e})
					if len(got) != 1 || !errors.Is(got[0].Cause, c.want) {
						t.Errorf("events: %v", got)
					}
					ended := heard[stream.Drained](&job{ear: e})
					if len(ended) != 1 || fmt.Sprint(ended[0].Err) != fmt.Sprint(err) {
						t.Errorf("Run returned %v, Drained says %v", err, ended)
					}
				})
			})
		}
	})
	t.Run("nests like middleware", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			var log []string
			o := func(name string) stream.Observer {
				return stream.Observer{
					StepStart: func(c ctx, _ stream.Call) ctx { log = append(log, "start "+name); return c },
					StepDone:  func(ctx, stream.Call, error) { log = append(log, "done "+name) },
				}
			}
			start(t, l, input.Serial(pass), stream.Observe(o("one"), o("two")))
			same(t, "log", log, []string{"start one", "start two", "done two", "done one"})
		})
	})
	t.Run("fails the pipeline, and no element, when it returns no context", func(t *testing.T) {
		for name, o := range map[string]stream.Observer{
			"StepStart": {StepStart: func(ctx, stream.Call) ctx { return nil }},
			"Begin":     {Begin: func(ctx) (ctx, bool) { return nil, true }, StepDone: func(ctx, stream.Call, error) {}},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a")
					uses := func(c ctx, _ string) error { return c.Err() }
					j := start(t, l, commitNow(input.Serial(uses).SkipOnError()), stream.Observe(o))
					says(t, j.wait(), "an observer: panic: it returned no context")
					if got := heard[stream.Skipped](j); len(got) > 0 {
						t.Errorf("events: %v", got)
					}
				})
			})
		}
	})
	t.Run("fails the pipeline when it panics", func(t *testing.T) {
		for name, o := range map[string]stream.Observer{
			"StepStart": {StepStart: func(ctx, stream.Call) ctx { panic(errBoom) }},
			"StepDone":  {StepDone: func(ctx, stream.Call, error) { panic(errBoom) }},
			"Event":     {Event: func(stream.Event) { panic(errBoom) }},
			"Begin":     {Begin: func(ctx) (ctx, bool) { panic(errBoom) }},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a")
					began := time.Now()
					err := commitNow(input.Serial(pass)).Run(t.Context(), l.Source(), stream.Observe(o))
					var p *stream.PanicError
					if !errors.As(err, &p) || !errors.Is(err, errBoom) {
						t.Errorf("Run: %v", err)
					}
					if took := time.Since(began); took != 0 {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	})
}

// failing cannot even begin.
type failing struct{ quiet }

func (failing) Run(context.Context, *stream.Intake[string]) error { return errOther }

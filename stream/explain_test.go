package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

var t0 = stream.TopicPartition{Topic: "t"}

// explains checks why partition t[0] does not move, and what a person is told.
func (j *job) explains(cause stream.Cause, also []stream.Cause, says ...string) stream.Explanation {
	j.t.Helper()
	e := j.Explain(t0)
	if e.Cause != cause || !slices.Equal(e.Also, also) {
		j.t.Errorf("cause %q, also %q, want %q, also %q", e.Cause, e.Also, cause, also)
	}
	for _, part := range says {
		if !strings.Contains(e.String(), part) {
			j.t.Errorf("it does not say %q:\n%v", part, e)
		}
	}
	if b := j.Blocked(t0)[0]; b.Cause != e.Cause || b.Stack != "" {
		j.t.Errorf("Blocked: %q, with the stack %q", b.Cause, b.Stack)
	}
	return e
}

// hangsInThere is a handler whose stack has its name.
func hangsInThere(c ctx, _ string) error { <-c.Done(); return c.Err() }

func charging(s stream.Stream[string], f func(ctx, string) error, opts ...stream.DegreeOption) stream.Stream[string] {
	return s.GroupByKey().Concurrent(4, f, append(opts, stream.Named("charge"))...)
}

func TestExplainAHandler(t *testing.T) {
	t.Run("that runs, with the records behind it and its stack", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0", "a1", "a2")
			j := start(t, l, commitNow(charging(input, func(c ctx, v string) error {
				if v == "b0" {
					return nil
				}
				return hangsInThere(c, v)
			})))
			put(l, 0, "b0")
			elapse(time.Minute)
			e := j.explains(stream.CauseHandler, nil, "t[0] waits for the handler of charge, for 1m0s at most",
				`t[0]@0, key "a", delivered 1m0s ago`, "charge, attempt 1", "2 records, 2 of its key", "watermark 0", "1 finished above it", "4093 of 4096 records", "hangsInThere")
			if strings.Contains(e.Stack, "laneway/stream.") {
				t.Errorf("the stack continues below the handler:\n%s", e.Stack)
			}
			elapse(time.Minute)
			j.explains(stream.CauseHandler, nil, "for 1m0s at least and 2m0s at most")
		})
	})
	t.Run("that overruns its Timeout", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			w.deaf = true
			put(l, 0, "a0")
			release := w.hold("a0")
			j := start(t, l, commitNow(charging(input.Map(func(_ ctx, v string) (string, error) { return v, nil }), w.do, stream.Timeout(5*time.Second)).SkipOnError()))
			elapse(12 * time.Second)
			e := j.explains(stream.CauseHandler, nil, "handler of charge, for 12s", "its Timeout of 5s ended 7s ago", "(*work).do")
			if e.Attempt != 1 || e.Step != "charge" || !e.Since.Equal(e.At.Add(-12*time.Second)) {
				t.Errorf("%+v", e)
			}
			release()
			synctest.Wait()
		})
	})
	t.Run("that has failed before", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0")
			j := start(t, l, commitNow(charging(input, func(c ctx, v string) error {
				err := w.do(c, v)
				if err == nil {
					time.Sleep(time.Hour)
				}
				return err
			}).RetryOnError(every(time.Second, 3))))
			elapse(time.Minute)
			j.explains(stream.CauseHandler, nil, "handler of charge, for 59s\n", "charge, attempt 2", "error    boom")
			elapse(2 * time.Hour)
			j.explains(stream.CauseIdle, nil)
		})
	})
	t.Run("while no worker is free for the record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			w.hold("b0")
			put(l, 1, "b0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(1, w.do)))
			put(l, 0, "a0")
			elapse(time.Minute)
			j.explains(stream.CauseWorkers, nil, "waits for a worker, for 1m0s", "1 worker busy: t[1]@0 in ")
		})
	})
}

func TestExplainAWait(t *testing.T) {
	t.Run("for a retry", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, "a0", "a1", "b0")
			j := start(t, l, commitNow(charging(input, w.do).RetryOnError(every(time.Minute, 3)).SkipOnError()))
			elapse(80 * time.Second)
			e := j.explains(stream.CauseRetry, nil, "waits for the next attempt of charge, for 20s, 40s left", "attempt 3", "boom", "1 record, 1 of its key")
			if !errors.Is(e.Err, errBoom) || e.Stack != "" {
				t.Errorf("%+v", e)
			}
			elapse(time.Minute)
			j.explains(stream.CauseIdle, nil)
		})
	})
	t.Run("that is postponed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0")
			busy := stream.Postpone(errors.New("the breaker bank is open"), func(c context.Context) error { <-c.Done(); return nil })
			j := start(t, l, commitNow(charging(input, func(ctx, string) error { return busy })))
			elapse(time.Minute)
			j.explains(stream.CausePostponed, nil, "waits for charge, whose call was postponed, for 1m0s", "the breaker bank is open")
		})
	})
	t.Run("for a turn in a Throttle", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0", "a1")
			j := start(t, l, commitNow(input.GroupByKey().Throttle(1.0/60, 1)))
			elapse(20 * time.Second)
			j.explains(stream.CauseThrottle, nil, "waits for its turn in throttle, for 20s, 40s left")
		})
	})
	t.Run("for a Batch to fill up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0", "a1")
			j := start(t, l, commitNow(input.GroupByPartition().Batch(10, time.Hour).FlatMap(flat)))
			elapse(time.Minute)
			j.explains(stream.CauseBatch, nil, "to fill up, for 1m0s", "its batch has 2 elements so far")
		})
	})
	t.Run("for a sink", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0", "b0")
			slow := sinkFunc[string](func(c context.Context, _ []stream.Out[string]) error { return hangsInThere(c, "") })
			j := start(t, l, commitNow(input.GroupByPartition().To(slow, stream.Named("bank"))))
			elapse(time.Minute)
			j.explains(stream.CauseSink, nil, "waits for the sink of bank, for 1m0s", "hangsInThere", "1 record")
		})
	})
	t.Run("for a sink that has several elements", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, writes := newLog(1), 0
			takes := map[string]time.Duration{"a0": 3, "b0": 1, "c0": 2}
			put(l, 0, "a0", "b0", "c0")
			slow := sinkFunc[string](func(c context.Context, _ []stream.Out[string]) error {
				if writes++; writes == 1 {
					time.Sleep(time.Second)
					return nil
				}
				return hangsInThere(c, "")
			})
			j := start(t, l, commitNow(input.Concurrent(4, func(_ ctx, v string) error { time.Sleep(takes[v]); return nil }).Ungroup().GroupByPartition().To(slow, stream.Named("bank"))))
			elapse(time.Minute)
			j.explains(stream.CauseSink, nil, "t[0]@0", "sink of bank", "hangsInThere")
		})
	})
	t.Run("for room in the next stage", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			w.hold("b1")
			put(l, 1, "b")
			j := start(t, l, commitNow(input.FlatMap(thrice).GroupBy(func(v string) string { return v[:1] }).Concurrent(1, w.do, stream.Named("charge"))), stream.MaxInFlight(2))
			put(l, 0, "a")
			elapse(time.Minute)
			j.explains(stream.CauseBackpressure, nil, "waits for room below ", ", for 1m0s")
		})
	})
	t.Run("for the sink of a dead letter", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0")
			slow := sinkFunc[stream.Failure](func(c context.Context, _ []stream.Out[stream.Failure]) error { return hangsInThere(c, "") })
			j := start(t, l, commitNow(charging(input, func(ctx, string) error { return errBoom }).DeadLetterOnError(slow)))
			elapse(time.Minute)
			j.explains(stream.CauseSink, nil, "waits for the sink of charge, for 1m0s", "boom", "hangsInThere")
		})
	})
}

func TestExplainATransform(t *testing.T) {
	t.Run("that holds the records that fill the budget", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, count("a", 20)...)
			j := start(t, l, commitNow(input.Transform("hoard", hoard)), stream.MaxInFlight(5))
			elapse(time.Minute)
			j.explains(stream.CauseTransform, []stream.Cause{stream.CauseBudget}, "waits for the Transform hoard, for 1m0s", "it holds 5 elements",
				"does not receive from FlushOf", "0 of 5 records", "MaxInFlight or MaxBytes is used up", "hoard(")
		})
	})
	t.Run("that has joined records of several partitions", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(2)
			put(l, 0, "a0")
			put(l, 1, "b0")
			j := start(t, l, commitNow(input.Transform("join", func(c ctx, in in, out out) error {
				first := <-in
				out <- first.Join(<-in)
				for range in {
				}
				return nil
			}).Concurrent(1, hangsInThere, stream.Named("charge"))), stream.DrainTimeout(time.Second))
			elapse(time.Minute)
			j.explains(stream.CauseHandler, nil, "handler of charge")
			if e := j.Blocked(t0, stream.TopicPartition{Topic: "t", Partition: 1})[1]; e.Cause != stream.CauseHandler || e.Step != "charge" {
				t.Errorf("%v", e)
			}
		})
	})
	t.Run("that waits for ever and receives nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, count("a", 200)...)
			j := start(t, l, commitNow(input.Transform("deaf", func(c ctx, _ in, _ out) error { return hangsInThere(c, "") })), stream.DrainTimeout(time.Second))
			elapse(time.Minute)
			j.explains(stream.CauseTransform, nil, "waits for the Transform deaf", "not received yet", "hangsInThere")
		})
	})
}

func TestExplainAHalt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("b0", errBoom)
		put(l, 0, "a0", "b0", "b1")
		j := start(t, l, commitNow(charging(input.Ungroup(), w.do).HaltOnError(stream.ResumeAfter(time.Hour))))
		elapse(time.Minute)
		e := j.explains(stream.CauseHalt, nil, "is halted by charge: fix the cause and Resume, or Skip the record, for 1m0s", "t[0]@1", "boom", "attempt 1")
		if h := j.halt(); !e.Until.Equal(h.ResumeAt) || !e.Since.Equal(h.Since) {
			t.Errorf("%+v", e)
		}
	})
	t.Run("of the source", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0")
			j := join(t, l, commitNow(input.Concurrent(1, pass)))
			must(t, j.member.Assign(0))
			must(t, j.member.Halt(0, 7, 8, errBoom))
			elapse(time.Minute)
			j.explains(stream.CauseHalt, nil, "it is halted at t[0]@7", "boom")
		})
	})
}

func TestExplainAFullPartition(t *testing.T) {
	t.Run("whose budget is used up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			for _, v := range put9(l) {
				w.hold(v)
			}
			j := start(t, l, commitNow(charging(input, w.do)), stream.MaxInFlight(3))
			elapse(time.Minute)
			e := j.explains(stream.CauseHandler, []stream.Cause{stream.CauseBudget}, "0 of 3 records", "nothing more is read: MaxInFlight", "6 more in the log")
			if e.Room.Records != 0 || e.Room.MaxRecords != 3 {
				t.Errorf("%+v", e.Room)
			}
		})
	})
	t.Run("whose finished records wait for a transaction", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			b.holds = make(chan struct{})
			put9(l)
			j := start(t, l, input.Concurrent(4, pass).CommitWith(b, 2, time.Second), stream.MaxInFlight(3))
			elapse(time.Minute)
			j.explains(stream.CauseTransaction, []stream.Cause{stream.CauseBudget}, "waits for the transaction of ", "0 of 3 records")
			close(b.holds)
			synctest.Wait()
		})
	})
	t.Run("whose resume state is full", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			l.RefuseStates(100)
			put(l, 0, "a0")
			put(l, 0, count("b", 10)...)
			w.hold("a0")
			j := start(t, l, commitNow(input.Concurrent(1000, w.do)), stream.MaxInFlight(1000))
			for i := range 2000 { // every tenth stays unfinished
				if i%10 == 0 {
					w.hold(fmt.Sprint("b", i))
				}
			}
			put(l, 0, count("b", 2000)...)
			elapse(time.Minute)
			e := j.explains(stream.CauseHandler, []stream.Cause{stream.CauseResumeState}, "0 in the resume state")
			if e.Room.Records == 0 || e.Room.Ahead == 0 {
				t.Errorf("%+v", e.Room)
			}
		})
	})
	t.Run("that may not be read further ahead", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0")
			put(l, 0, count("b", 50)...)
			w.hold("a0")
			j := start(t, l, commitNow(charging(input, w.do)), stream.MaxFinishedAhead(10))
			elapse(time.Minute)
			j.explains(stream.CauseHandler, []stream.Cause{stream.CauseResumeState}, "MaxFinishedAhead, or the size of the resume state, is used up", "0 offsets ahead")
		})
	})
}

// put9 appends nine records of keys of their own.
func put9(l *testLog) (vs []string) {
	for i := range 9 {
		vs = append(vs, fmt.Sprintf("%c0", 'a'+i))
	}
	put(l, 0, vs...)
	return vs
}

func TestExplainACommit(t *testing.T) {
	for name, each := range map[string]bool{"that is refused": false, "that is refused and holds the lane": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				put(l, 0, "a0", "a1")
				s := input.GroupByKey().Concurrent(2, pass)
				if s2 := s.CommitEach(); each {
					s = s2
				} else {
					s = commitNow(s)
				}
				j := join(t, l, s)
				refusing(j, 0)
				must(t, j.member.Assign(0))
				elapse(time.Minute)
				e := j.explains(stream.CauseCommit, nil, "waits for a commit, for 1m0s", "boom", "none committed")
				if !errors.Is(e.CommitErr, errBoom) {
					t.Errorf("%+v", e)
				}
				j.member.FailCommits(nil)
				elapse(10 * time.Second)
				j.explains(stream.CauseIdle, nil)
			})
		})
	}
	t.Run("that is not due", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0")
			j := start(t, l, input.Concurrent(1, pass).CommitEvery(100, 0, stream.ByCountOnly()))
			elapse(time.Minute)
			j.explains(stream.CauseNone, nil, "the next commit is not due yet")
		})
	})
}

func TestExplainATransaction(t *testing.T) {
	t.Run("that has failed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			b.before = append(b.before, func(stream.Txn[string]) error { return errBoom })
			put(l, 0, "a0")
			j := start(t, l, input.Concurrent(1, pass).CommitWith(b, 1, time.Second).RetryOnError(every(time.Hour, 3)))
			elapse(time.Minute)
			j.explains(stream.CauseTransaction, nil, "for 1m0s, 59m0s left", "attempt 2", "boom")
		})
	})
	t.Run("whose transactor has not returned where it starts", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			o := newOutage(func(ctx) error { return errBoom })
			j := start(t, newLog(1), input.Concurrent(1, pass).CommitWith(o, 1, time.Second))
			elapse(time.Minute)
			j.explains(stream.CauseRestore, nil, "to return where it starts, for 1m0s", "boom")
		})
	})
}

func TestExplainADrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a0")
		w.hold("a0")
		j := start(t, l, commitNow(charging(input, w.do)), stream.DrainTimeout(time.Minute))
		j.cancel()
		elapse(20 * time.Second)
		j.explains(stream.CauseDrain, []stream.Cause{stream.CauseHandler}, "t[0] drains, ", "40s left", "charge, attempt 1", "the drain waits for this: handler", "(*work).do")
		elapse(time.Hour)
		if e := j.Explain(t0); e.Cause != stream.CauseStopped || !errors.Is(e.Err, stream.ErrDrain) || !strings.HasPrefix(e.String(), "t[0] is not read: the pipeline is not running\n") {
			t.Errorf("%v", e)
		}
	})
}

func TestExplainAPartitionThatIsNotRead(t *testing.T) {
	tp := stream.TopicPartition{Topic: "h", Partition: 7}
	t.Run("since it is not assigned", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := join(t, newLog(1), commitNow(input.Concurrent(1, pass)))
			must(t, j.member.Assign(0))
			elapse(0) // until the source has looked for records
			j.explains(stream.CauseIdle, nil, "has nothing to read: everything is finished", "4096 of 4096 records")
			must(t, j.member.Revoke(time.Second, 0))
			j.explains(stream.CauseUnassigned, nil, "is not assigned to this pipeline")
		})
	})
	t.Run("since it has no leader, or the source is not connected", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			src := newHand(1)
			p, err := src.chain().Build()
			must(t, err)
			h := supervise(t, stream.Supervise(p))
			<-src.ready
			src.in.Trouble(tp, errBoom)
			elapse(time.Minute)
			if e := p.Explain(tp); e.Cause != stream.CauseUnreadable || !strings.Contains(e.String(), "h[7] cannot be read, for 1m0s\n  error    boom") {
				t.Errorf("%v", e)
			}
			src.in.Trouble(tp, nil)
			src.in.Trouble(stream.TopicPartition{Topic: "h", Partition: -1}, errBoom)
			if e := p.Explain(tp); e.Cause != stream.CauseUnreadable {
				t.Errorf("%v", e)
			}
			src.in.Trouble(stream.TopicPartition{Topic: "h", Partition: -1}, nil)
			src.in.SetHealth(errBoom)
			if e := p.Explain(tp); e.Cause != stream.CauseDisconnected {
				t.Errorf("%v", e)
			}
			h.kill(syscall.SIGTERM)
			must(t, h.wait())
		})
	})
}

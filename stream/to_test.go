package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestToIsDoneWhenTheSinkHasIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, s := newLog(1), &sink[string]{takes: time.Second}
		put(l, 0, "a", "b")
		j := start(t, l, commitNow(input.To(s)))
		j.committed(-1)
		elapse(2 * time.Second)
		same(t, "written", s.values(), []string{"a", "b"})
		if m := s.all()[1].Meta; m.String() != "t[0]@1" || string(m.Key) != "b" {
			t.Errorf("lineage: %v", m)
		}
		j.committed(2)
	})
}

func TestToWritesWhatHasQueuedInOneWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, s := newLog(1), &sink[string]{takes: time.Second}
		put(l, 0, count("a", 1200)...)
		j := start(t, l, commitNow(input.Map(func(_ ctx, v string) (string, error) { return v, nil }).To(s)))
		elapse(time.Minute)
		same(t, "written", s.values(), count("a", 1200))
		if n := len(s.writes); n > 8 {
			t.Errorf("%d writes", n)
		}
		for _, w := range s.writes {
			if len(w) > 1000 {
				t.Errorf("%d in one write", len(w))
			}
		}
		j.committed(1200)
	})
}

func TestToWritesOnceAtATimePerPartition(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, s := newLog(3), &sink[string]{takes: time.Second}
		for i, k := range []string{"a", "b", "c"} {
			put(l, i, count(k, 50)...)
		}
		start(t, l, commitNow(input.Concurrent(16, pass[string]).To(s)))
		elapse(time.Hour)
		if one, all := s.peaks(); one != 1 || all != 3 {
			t.Errorf("%d at a time for one partition, %d overall; want 1 and 3", one, all)
		}
	})
}

func TestToLeavesItsWorker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w, s := newLog(1), newWork(), &sink[string]{takes: time.Hour}
		put(l, 0, "a", "b", "c")
		start(t, l, commitNow(input.Serial(w.do).To(s)))
		same(t, "done while the sink writes", w.done(), []string{"a", "b", "c"})
	})
}

func TestToPassesOnBelow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w, s := newLog(1), newWork(), new(sink[string])
		put(l, 0, "a", "b")
		j := start(t, l, commitNow(input.To(s).Serial(w.do)))
		same(t, "below", w.done(), []string{"a", "b"})
		j.committed(2)
	})
}

func TestToRetriesWhatFailedAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w, tries := newLog(1), newWork(), 0
		put(l, 0, "a", "b", "c")
		s := &sink[string]{fail: func(es []stream.Out[string]) error {
			if tries++; tries == 1 {
				return &stream.PartialError{Errs: map[int]error{1: errBoom}}
			}
			return nil
		}}
		j := start(t, l, commitNow(input.To(s).RetryOnError(every(time.Second, 3)).Serial(w.do)))
		elapse(time.Minute)
		var writes []string
		for _, es := range s.writes {
			var vs []string
			for _, e := range es {
				vs = append(vs, e.Value)
			}
			writes = append(writes, strings.Join(vs, " "))
		}
		same(t, "writes", writes, []string{"a b c", "b"})
		same(t, "below, in order", w.done(), []string{"a", "b", "c"})
		j.committed(3)
	})
}

func TestToThatFailsHasPolicies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(2)
		put(l, 0, "a", "b")
		put(l, 1, "c")
		s := &sink[string]{fail: func(es []stream.Out[string]) error {
			for i, e := range es {
				if e.Value == "b" {
					return &stream.PartialError{Errs: map[int]error{i: errBoom}}
				}
			}
			return nil
		}}
		j := start(t, l, commitNow(input.To(s).HaltOnError()))
		if h := j.halt(); h.Meta.Offset != 1 || !errors.Is(h.Err, errBoom) {
			t.Errorf("halt: %v", h)
		}
		j.committed(1, 1)
	})
}

// lively has Open and Close.
type lively struct {
	sink[string]
	name              string
	log               *[]string
	openErr, closeErr error
}

func (s *lively) Open(context.Context) error {
	*s.log = append(*s.log, "open "+s.name)
	return s.openErr
}

func (s *lively) Close(context.Context) error {
	*s.log = append(*s.log, fmt.Sprint("close ", s.name, " after ", len(s.all())))
	return s.closeErr
}

func TestSinksAreOpenedBeforeTheSourceAndClosedAfterTheLastWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a", "b")
		var log []string
		one, two := &lively{name: "one", log: &log}, &lively{name: "two", log: &log}
		one.takes = time.Second
		j := start(t, l, commitNow(input.To(one).To(two)))
		elapse(time.Minute)
		must(t, j.stop())
		same(t, "log", log, []string{"open one", "open two", "close one after 2", "close two after 2"})
	})
}

func TestASinkThatCannotOpenEndsRunAndTheOthersAreClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a")
		var log []string
		one, two, three := &lively{name: "one", log: &log}, &lively{name: "two", log: &log, openErr: errBoom}, &lively{name: "three", log: &log}
		err := start(t, l, commitNow(input.To(one).To(two).To(three))).wait()
		if !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "opening sink") {
			t.Errorf("Run: %v", err)
		}
		same(t, "log", log, []string{"open one", "open two", "close one after 0"})
		committed(t, l, -1)
	})
}

func TestASinkThatStandsTwiceIsOpenedAndClosedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log []string
		one := &lively{name: "one", log: &log}
		must(t, start(t, newLog(1), commitNow(input.To(one).To(stuckSink{}).To(one))).stop())
		same(t, "log", log, []string{"open one", "close one after 0"})
	})
}

func TestASinkThatCannotCloseIsToldByRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log []string
		err := start(t, newLog(1), commitNow(input.To(&lively{name: "one", log: &log, closeErr: errBoom}))).stop()
		if !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "closing sink") {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestAPanicOfASinkIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a")
		j := start(t, l, commitNow(input.To(panicking{}).SkipOnError()))
		var p *stream.PanicError
		if got := heard[stream.Skipped](j); len(got) != 1 || !errors.As(got[0].Err, &p) {
			t.Errorf("events: %v", got)
		}
	})
}

type panicking struct{}

func (panicking) Write(context.Context, []stream.Out[string]) error { panic(errBoom) }

func TestToKeepsTheOrderOfLanes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, s := newLog(1), new(sink[string])
		var want []string
		for i := range 300 {
			v := fmt.Sprintf("%c%d", 'a'+i%5, i)
			put(l, 0, v)
			want = append(want, v)
		}
		start(t, l, commitNow(input.GroupByKey().Concurrent(8, pass[string]).To(s)))
		synctest.Wait()
		for _, k := range []string{"a", "b", "c", "d", "e"} {
			of := func(v string) bool { return v[:1] != k }
			same(t, "key "+k, slices.DeleteFunc(s.values(), of), slices.DeleteFunc(slices.Clone(want), of))
		}
	})
}

// slowToOpen is a sink that opens until its context ends.
type slowToOpen struct {
	sink[string]
	opening chan struct{}
	panics  bool
}

func (s *slowToOpen) Open(c ctx) error {
	close(s.opening)
	<-c.Done()
	if s.panics {
		panic(errBoom)
	}
	return fmt.Errorf("dialing: %w", c.Err())
}

func TestShutdownWhileASinkOpens(t *testing.T) {
	run := func(t *testing.T, panics bool) (*job, error) {
		l, s := newLog(1), &slowToOpen{opening: make(chan struct{}), panics: panics}
		put(l, 0, "a")
		j := start(t, l, input.To(s).CommitEvery(1, 0))
		<-s.opening
		return j, j.stop()
	}
	t.Run("is a clean end", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, err := run(t, false)
			must(t, err)
			if got := heard[stream.Drained](j); len(got) != 1 || got[0].Err != nil {
				t.Errorf("events: %+v", got)
			}
		})
	})
	t.Run("still tells a panic", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			if _, err := run(t, true); !errors.Is(err, errBoom) {
				t.Errorf("Run: %v", err)
			}
		})
	})
	t.Run("leaves a sink that does not open in time a failure", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			err := start(t, l, input.To(&slowToOpen{opening: make(chan struct{})}).CommitEvery(1, 0)).wait()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Run: %v", err)
			}
		})
	})
}

package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestSink(t *testing.T) {
	t.Run("is opened before the source and closed after the last write", func(t *testing.T) {
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
	})
	t.Run("ends Run when it cannot open, and the others are closed", func(t *testing.T) {
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
	})
	t.Run("is opened and closed once when it is used twice", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var log []string
			one := &lively{name: "one", log: &log}
			must(t, start(t, newLog(1), commitNow(input.To(one).To(stuckSink{}).To(one))).stop())
			same(t, "log", log, []string{"open one", "close one after 0"})
		})
	})
	t.Run("fails Run when it cannot close", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var log []string
			err := start(t, newLog(1), commitNow(input.To(&lively{name: "one", log: &log, closeErr: errBoom}))).stop()
			if !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "closing sink") {
				t.Errorf("Run: %v", err)
			}
		})
	})
	t.Run("fails the element when it panics", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			j := start(t, l, commitNow(input.To(panicking{}).SkipOnError()))
			var p *stream.PanicError
			if got := heard[stream.Skipped](j); len(got) != 1 || !errors.As(got[0].Err, &p) {
				t.Errorf("events: %v", got)
			}
		})
	})
}

func TestSinkShutdown(t *testing.T) {
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
	t.Run("still reports a panic", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			if _, err := run(t, true); !errors.Is(err, errBoom) {
				t.Errorf("Run: %v", err)
			}
		})
	})
	t.Run("is a failure if it does not open in time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			err := start(t, l, input.To(&slowToOpen{opening: make(chan struct{})}).CommitEvery(1, 0)).wait()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Run: %v", err)
			}
		})
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

type panicking struct{}

func (panicking) Write(context.Context, []stream.Out[string]) error { panic(errBoom) }

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

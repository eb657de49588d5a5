package stream_test

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// sink remembers what it is given.
type sink[T any] struct {
	takes time.Duration
	deaf  bool // does not heed its context
	err   error
	fail  func([]stream.Out[T]) error

	mu      sync.Mutex
	outs    []stream.Out[T]
	writes  [][]stream.Out[T]
	busy    map[stream.TopicPartition]int
	most    int // writes at a time for one partition
	mostAll int // and for all
}

func (s *sink[T]) Write(c ctx, es []stream.Out[T]) error {
	s.mu.Lock()
	if s.busy == nil {
		s.busy = map[stream.TopicPartition]int{}
	}
	tp, all := es[0].Meta.TopicPartition(), 0
	s.busy[tp]++
	s.most = max(s.most, s.busy[tp])
	for _, n := range s.busy {
		all += n
	}
	s.mostAll = max(s.mostAll, all)
	s.mu.Unlock()
	if done := c.Done(); s.takes > 0 {
		if s.deaf {
			done = nil
		}
		select {
		case <-time.After(s.takes):
		case <-done:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[tp]--
	if err := c.Err(); err != nil && !s.deaf {
		return err
	}
	if s.err != nil {
		return s.err
	}
	var err error
	if s.fail != nil {
		err = s.fail(es)
	}
	var part *stream.PartialError
	if err != nil && !errors.As(err, &part) {
		return err
	}
	s.writes = append(s.writes, slices.Clone(es))
	for i, e := range es {
		if part == nil || part.Errs[i] == nil {
			s.outs = append(s.outs, e)
		}
	}
	return err
}

func (s *sink[T]) all() []stream.Out[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.outs)
}

func (s *sink[T]) values() (vs []T) {
	for _, o := range s.all() {
		vs = append(vs, o.Value)
	}
	return vs
}

// peaks is how many writes there were at a time, for one partition and for all.
func (s *sink[T]) peaks() (one, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most, s.mostAll
}

// partly fails, once, the elements that it names.
func partly(names ...string) *sink[string] {
	s := &sink[string]{}
	s.fail = func(es []stream.Out[string]) error {
		err := &stream.PartialError{Errs: map[int]error{}}
		for i, e := range es {
			if n := slices.Index(names, e.Value); n >= 0 {
				names = slices.Delete(names, n, n+1)
				err.Errs[i] = errBoom
			}
		}
		if len(err.Errs) == 0 {
			return nil
		}
		return err
	}
	return s
}

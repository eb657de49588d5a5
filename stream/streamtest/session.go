package streamtest

import (
	"context"
	"slices"
	"time"

	"maps"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// session is the running state of a member. It belongs to the goroutine of Run.
type session[T any] struct {
	m       *Member[T]
	ctx     context.Context
	in      intake[T]
	parts   map[int]*stream.Partition[T]
	leaving map[int]leave[T] // being revoked: they can be lost until they are released
	wg      conc.WaitGroup   // revocations in progress
	had     bool             // it has ever had a partition
	crashed bool
	failed  error // a partition could not be restarted
}

// intake is the part of stream.Intake that a session uses.
type intake[T any] interface {
	Assign(ctx context.Context, parts ...stream.Assignment) ([]*stream.Partition[T], error)
	Revoke(ctx context.Context, parts ...*stream.Partition[T])
	Lose(err error, parts ...*stream.Partition[T])
	Emit(e stream.Event)
	SetHealth(err error)
}

// leave is a partition that is being revoked.
type leave[T any] struct {
	p    *stream.Partition[T]
	done chan struct{} // closed when the partition is released
}

// feedMax is the largest number of records fed at a time.
const feedMax = 256

// assign starts partitions at the group's committed offsets, but not below least.
func (s *session[T]) assign(ns []int, least int64) error {
	var as []stream.Assignment
	became := make([]*stream.Partition[T], len(ns))
	epochs := make(map[int]int32, len(ns))
	for i, n := range ns {
		a, epoch := s.m.log.position(n)
		epochs[n] = epoch
		a.Next = max(a.Next, least)
		a.Wake = func() {
			select {
			case s.m.wake <- struct{}{}:
			default:
			}
		}
		a.Restart = func(next int64) {
			// a session that has ended restarts nothing
			_ = s.m.do(func(s *session[T]) error { return s.restart(n, next, became[i]) })
		}
		as = append(as, a)
	}
	s.m.own(epochs)
	ps, err := s.in.Assign(s.ctx, as...)
	s.had = s.had || len(ps) > 0
	for i, p := range ps {
		s.parts[ns[i]], became[i] = p, p
	}
	return err
}

// restart assigns a partition again after the pipeline released it.
func (s *session[T]) restart(n int, next int64, was *stream.Partition[T]) error {
	if s.parts[n] != was {
		return nil
	}
	s.m.disowner([]int{n})()
	s.in.Lose(errRestarted, s.take([]int{n})...)
	s.failed = s.assign([]int{n}, next)
	return s.failed
}

// recreated restarts the partitions of a topic that was recreated.
func (s *session[T]) recreated() {
	id := s.m.log.ID()
	for _, n := range s.owned() {
		if p := s.parts[n]; p.TopicID() != id && s.failed == nil {
			s.in.Lose(&stream.TopicGoneError{Partitions: []stream.TopicPartition{p.TopicPartition()}}, p)
			s.in.Emit(stream.TopicRecreated{TopicPartition: p.TopicPartition(), Offset: p.Next(), Old: p.TopicID(), New: id})
			_ = s.restart(n, 0, p)
		}
	}
}

// truncated restarts the partitions that were read beyond the end of their log.
func (s *session[T]) truncated() {
	for _, n := range s.owned() {
		p := s.parts[n]
		end, from := s.m.log.End(n), p.Next()
		if from <= end || !s.m.log.wasCut(n) || s.failed != nil {
			continue
		}
		s.in.Emit(stream.OffsetReset{TopicPartition: p.TopicPartition(), From: from, To: end, Policy: "truncated"})
		_ = s.restart(n, 0, p)
	}
}

// deleted loses the partitions being revoked of a topic that is gone, whose commit cannot succeed.
func (s *session[T]) deleted(tps []stream.TopicPartition) {
	s.recreated()
	for _, tp := range tps {
		if l, ok := s.leaving[tp.Partition]; ok && l.p.TopicID() != s.m.log.ID() {
			s.in.Lose(&stream.TopicGoneError{Partitions: []stream.TopicPartition{tp}}, l.p)
		}
	}
}

// take removes partitions from those fed.
func (s *session[T]) take(ns []int) (ps []*stream.Partition[T]) {
	for _, n := range ns {
		if p := s.parts[n]; p != nil {
			ps = append(ps, p)
			delete(s.parts, n)
		}
	}
	return ps
}

// revoke drains partitions while the others are fed. done is closed once all of ns are released,
// including those that were being revoked already.
func (s *session[T]) revoke(within time.Duration, ns []int) (done chan struct{}) {
	var others []chan struct{}
	for _, n := range ns {
		if l, ok := s.leaving[n]; ok {
			others = append(others, l.done)
		}
	}
	ps := s.take(ns)
	done = make(chan struct{})
	taken := make([]int, len(ps))
	for i, p := range ps {
		taken[i] = p.TopicPartition().Partition
		s.leaving[taken[i]] = leave[T]{p, done}
	}
	free := s.m.disowner(taken)
	s.wg.Go(func() {
		defer close(done)
		ctx := context.WithoutCancel(s.ctx)
		if within > 0 {
			c, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			ctx = c
		}
		s.in.Revoke(ctx, ps...)
		free()
		for _, o := range others {
			<-o
		}
	})
	return done
}

func (s *session[T]) lose(err error, ns []int) {
	s.m.disowner(ns)()
	ps := s.take(ns)
	for _, n := range ns {
		if l, ok := s.leaving[n]; ok {
			ps = append(ps, l.p)
		}
	}
	s.in.Lose(err, ps...)
}

func (s *session[T]) owned() []int { return slices.Sorted(maps.Keys(s.parts)) }

// all returns the owned partitions and those being revoked.
func (s *session[T]) all() []int { return append(s.owned(), slices.Collect(maps.Keys(s.leaving))...) }

// feed feeds records while there is room, and reports whether all were fed.
func (s *session[T]) feed() (all bool) {
	all = true
	for _, n := range s.owned() {
		p := s.parts[n]
		for {
			room, _ := p.Room()
			if room == 0 {
				all = false
				break
			}
			from := p.Next()
			es, next, end, epoch := s.m.log.read(p.TopicID(), n, from, min(room, feedMax))
			if len(es) > 0 {
				s.m.fed(n, epoch)
				p.Feed(chunk[T](es).values(), chunk[T](es), next, int64(len(es)))
			}
			p.Advance(next, end)
			if len(es) == 0 {
				break
			}
		}
	}
	return all
}

// done reports whether a finished log has nothing more for this member. A member that was never
// assigned a partition is not done.
func (s *session[T]) done() bool {
	if !s.had {
		return false
	}
	next := map[int]int64{}
	for n, p := range s.parts {
		next[n] = p.Next()
	}
	return s.m.log.fed(next)
}

// end revokes all partitions, and handles commands until they are released.
func (s *session[T]) end() error {
	done := s.revoke(0, s.owned())
	for {
		select {
		case <-done:
			if len(s.parts) == 0 {
				return nil
			}
			done = s.revoke(0, s.owned()) // assigned in the meantime
		case cmd := <-s.m.cmds:
			cmd(s)
			if s.crashed {
				s.lose(ErrCrashed, s.all())
				return stream.Permanent(ErrCrashed)
			}
		}
	}
}

// chunk is the records of one Feed.
type chunk[T any] []entry[T]

func (c chunk[T]) Meta(i int) stream.Meta { return c[i].meta }
func (c chunk[T]) Key(i int) []byte       { return c[i].meta.Key }
func (c chunk[T]) Offset(i int) int64     { return c[i].meta.Offset }

func (c chunk[T]) values() []T {
	vals := make([]T, len(c))
	for i, e := range c {
		vals[i] = e.value
	}
	return vals
}

func (c chunk[T]) CopyOut(of []int) ([]T, stream.Lineage, int64) {
	some := make(chunk[T], len(of))
	for k, i := range of {
		some[k] = c[i]
	}
	return some.values(), some, int64(len(of))
}

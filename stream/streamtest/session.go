package streamtest

import (
	"context"
	"slices"
	"time"

	"maps"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// session is a member while it runs. It belongs to the goroutine of Run.
type session[T any] struct {
	m       *Member[T]
	ctx     context.Context
	in      intake[T]
	parts   map[int]*stream.Partition[T]
	leaving map[int]leave[T] // revoked last: they can be lost until they are let go
	wg      conc.WaitGroup   // revocations under way
	had     bool             // a partition, ever
	crashed bool
	failed  error // a partition could not be begun anew
}

// intake is what is used of a stream.Intake.
type intake[T any] interface {
	Assign(ctx context.Context, parts ...stream.Assignment) ([]*stream.Partition[T], error)
	Revoke(ctx context.Context, parts ...*stream.Partition[T])
	Lose(err error, parts ...*stream.Partition[T])
	Emit(e stream.Event)
	SetHealth(err error)
}

// leave is a partition on its way out.
type leave[T any] struct {
	p    *stream.Partition[T]
	done chan struct{} // closed when it is let go
}

// feedMax is how many records are handed over at a time.
const feedMax = 256

// assign begins partitions at what the group has committed, or at least where they have come to
// without it.
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
			// a session that has ended begins nothing
			_ = s.m.do(func(s *session[T]) error { return s.again(n, next, became[i]) })
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

// again begins a partition anew that the pipeline has let go by itself.
func (s *session[T]) again(n int, next int64, was *stream.Partition[T]) error {
	if s.parts[n] != was {
		return nil
	}
	s.m.disowner([]int{n})()
	s.in.Lose(errAgain, s.take([]int{n})...)
	s.failed = s.assign([]int{n}, next)
	return s.failed
}

// recreated begins the partitions anew whose topic is another one by now.
func (s *session[T]) recreated() {
	id := s.m.log.ID()
	for _, n := range s.owned() {
		if p := s.parts[n]; p.TopicID() != id && s.failed == nil {
			s.in.Lose(&stream.TopicGoneError{Partitions: []stream.TopicPartition{p.TopicPartition()}}, p)
			s.in.Emit(stream.TopicRecreated{TopicPartition: p.TopicPartition(), Offset: p.Next(), Old: p.TopicID(), New: id})
			_ = s.again(n, 0, p)
		}
	}
}

// truncated begins the partitions anew that have read beyond the end of their log.
func (s *session[T]) truncated() {
	for _, n := range s.owned() {
		p := s.parts[n]
		end, from := s.m.log.End(n), p.Next()
		if from <= end || !s.m.log.wasCut(n) || s.failed != nil {
			continue
		}
		s.in.Emit(stream.OffsetReset{TopicPartition: p.TopicPartition(), From: from, To: end, Policy: "truncated"})
		_ = s.again(n, 0, p)
	}
}

// deleted gives up what is still to be committed of a topic that is gone.
func (s *session[T]) deleted(tps []stream.TopicPartition) {
	s.recreated()
	for _, tp := range tps {
		if l, ok := s.leaving[tp.Partition]; ok && l.p.TopicID() != s.m.log.ID() {
			s.in.Lose(&stream.TopicGoneError{Partitions: []stream.TopicPartition{tp}}, l.p)
		}
	}
}

// take removes partitions from what is fed.
func (s *session[T]) take(ns []int) (ps []*stream.Partition[T]) {
	for _, n := range ns {
		if p := s.parts[n]; p != nil {
			ps = append(ps, p)
			delete(s.parts, n)
		}
	}
	return ps
}

// revoke drains partitions beside the feeding of the others; done is closed when they are let go,
// those too that are on their way already.
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

// all is owned, and what is leaving.
func (s *session[T]) all() []int { return append(s.owned(), slices.Collect(maps.Keys(s.leaving))...) }

// feed hands over what there is room for; it reports whether everything there is was handed over.
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
				c := &chunk{}
				vals := make([]T, len(es))
				for i, e := range es {
					vals[i] = e.value
					c.metas = append(c.metas, e.meta)
				}
				p.Feed(vals, c, next, int64(len(vals)))
			}
			p.Advance(next, end)
			if len(es) == 0 {
				break
			}
		}
	}
	return all
}

// done reports whether a finished log has nothing more for this member. One that has not been
// assigned anything yet is not done: it has still to be.
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

// end answers what still comes while the partitions are given back.
func (s *session[T]) end() error {
	done := s.revoke(0, s.owned())
	for {
		select {
		case <-done:
			return nil
		case cmd := <-s.m.cmds:
			cmd(s)
			if s.crashed {
				s.lose(ErrCrashed, s.all())
				return stream.Permanent(ErrCrashed)
			}
		}
	}
}

// chunk is the lineage of what was fed at once.
type chunk struct{ metas []stream.Meta }

func (c *chunk) Meta(i int) stream.Meta { return c.metas[i] }
func (c *chunk) Key(i int) []byte       { return c.metas[i].Key }
func (c *chunk) Offset(i int) int64     { return c.metas[i].Offset }

package stream

import (
	"context"
	"fmt"
	"sync"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/ledger"
)

// Source feeds a pipeline with the records of partitions and stores the offsets it commits. Kafka,
// Slice and the in-memory test log are sources; so is anything of your own that has partitions,
// offsets in ascending order, and a place to keep an offset.
//
// A Source is made once per Build (see From) and run once. Its calls:
//
//   - Run assigns partitions on in, feeds them while they have room, revokes or loses them, until
//     ctx ends or nothing is left to feed. When ctx ends it must stop feeding, Revoke everything
//     still assigned (which drains and commits it) and return nil. Returning nil before ctx ends
//     means "that was all": the pipeline finishes and commits what it was fed, then ends. An error
//     ends the pipeline with it.
//   - Commit stores, per partition, the position to go on from. One call at a time. A nil error
//     means that all are stored. A *CommitError names the partitions that are not; those failures,
//     like any other error, are tried again unless marked Permanent, which fails the pipeline. A
//     partition that was lost meanwhile is none of its business any more: leave it out without an
//     error, after Lose. Superseded tells a request for an assignment that has ended from one for
//     the next. A position of a topic id that is gone is never stored: the assignment is to be lost
//     with a *TopicGoneError.
//   - Info is asked before anything connects.
type Source[T any] interface {
	Run(ctx context.Context, in *Intake[T]) error
	Commit(ctx context.Context, positions map[TopicPartition]Position) error
	Info() SourceInfo
}

// Intake is the pipeline as its source sees it. All methods may be called concurrently.
type Intake[T any] struct {
	run   *run
	shelf sync.Pool // of *[bufferSize]T: the memory of values whose records are done with
}

// Assign begins an assignment of each partition, in an epoch of its own. A partition that is still
// assigned is an error: Revoke or Lose it first. The source feeds from each Partition's Next, which
// need not be the one it named. It does not block. With CommitWith a partition has no room until
// its Transactor has said where to go on; Wake is called then. The Transactor's context has the
// values of ctx.
func (in *Intake[T]) Assign(ctx context.Context, parts ...Assignment) ([]*Partition[T], error) {
	ps, err := in.run.assign(ctx, parts)
	if err != nil {
		return nil, err
	}
	out := make([]*Partition[T], len(ps))
	for i, p := range ps {
		out[i] = &Partition[T]{p, &in.shelf}
	}
	return out, nil
}

// Revoke takes partitions back: nothing behind what has begun is begun, the rest may finish until
// ctx ends or DrainTimeout has passed, the watermark is committed through the source, and the
// partitions are let go. It blocks meanwhile; a group member must go on with its heartbeats, and
// must still be able to commit.
func (in *Intake[T]) Revoke(ctx context.Context, parts ...*Partition[T]) {
	in.run.revoke(ctx, cores(parts))
}

// Lose ends assignments that are someone else's already: their handlers' contexts are cancelled and
// nothing is committed. It does not wait.
func (in *Intake[T]) Lose(err error, parts ...*Partition[T]) {
	in.run.lose(err, cores(parts))
}

// Emit tells the observers something. Rebalanced also says that the group can be reached.
func (in *Intake[T]) Emit(e Event) {
	if _, ok := e.(Rebalanced); ok {
		in.run.inTouch()
	}
	in.run.emit(e)
}

// SetHealth says whether the source can reach what it reads from: nil, or why not. It decides
// Pipeline.Ready; what concerns one partition alone is Trouble. A source is online from its first
// Assign on, until it says otherwise.
func (in *Intake[T]) SetHealth(err error) { in.run.setHealth(err) }

func cores[T any](ps []*Partition[T]) []*part {
	out := make([]*part, len(ps))
	for i, p := range ps {
		out[i] = p.p
	}
	return out
}

// Partition is one assignment of one partition. After Revoke or Lose its methods do nothing.
type Partition[T any] struct {
	p     *part
	shelf *sync.Pool
}

// TP names the partition.
func (p *Partition[T]) TopicPartition() TopicPartition { return p.p.tp }

// TopicID is the Assignment's.
func (p *Partition[T]) TopicID() TopicID { return p.p.topic }

// Room is what may be fed now: 0, 0 while the partition is full, frozen, draining or gone;
// Assignment.Wake is called when that ends. records bounds the next Feed, bytes is a target that
// one record or one batch may exceed.
func (p *Partition[T]) Room() (records int, bytes int64) {
	if records, bytes = p.p.room(); records > 0 {
		return records, bytes
	}
	p.p.full.Store(true)
	if records, bytes = p.p.room(); records > 0 { // it came between the look and the word
		p.p.full.Store(false)
	}
	return records, bytes
}

// Next is the offset to feed from; ask for it once there is Room. It moves with Feed and Advance,
// and when an operator skips what the source halted on.
func (p *Partition[T]) Next() int64 {
	p.p.mu.Lock()
	defer p.p.mu.Unlock()
	return p.p.next
}

// Buffer returns an empty slice with room for at least n values, up to 256, to be filled and given
// to Feed. It may be one whose values were done with: a source that feeds from buffers makes less
// garbage. Any other slice can be fed as well.
func (p *Partition[T]) Buffer(n int) []T {
	if n < bufferSize/2 || n > bufferSize {
		return make([]T, 0, n) // a buffer for many would be mostly empty, and held as long
	}
	if b, ok := p.shelf.Get().(*[bufferSize]T); ok {
		return b[:0]
	}
	return make([]T, 0, bufferSize)
}

// Feed hands records over, in ascending order of their offsets: vals is the pipeline's from now on,
// and lineage says where they came from. next is the position behind them, gaps included; bytes is
// how much memory they keep alive. It returns at once.
func (p *Partition[T]) Feed(vals []T, lineage Lineage, next int64, bytes int64) {
	if len(vals) == 0 {
		p.Advance(next, -1)
		return
	}
	if p.p.ahead.begun.Load() {
		p.feedUnfinished(vals, lineage, next, bytes)
		return
	}
	p.feed(vals, lineage, next, bytes)
}

// feedUnfinished leaves out what an earlier assignment has finished. The watermark passes it like a
// gap in the log.
func (p *Partition[T]) feedUnfinished(vals []T, lineage Lineage, next int64, bytes int64) {
	finished := func(i int) bool { return p.p.finishedEarlier(lineage.Offset(i)) }
	for from := 0; from < len(vals); {
		to := from
		for to < len(vals) && !finished(to) {
			to++
		}
		rest := to
		for rest < len(vals) && finished(rest) {
			rest++
		}
		behind, size := next, bytes
		if rest < len(vals) {
			behind, size = lineage.Offset(rest), 0
		}
		if from == to {
			p.Advance(behind, -1)
		} else {
			p.feed(vals[from:to:to], lineageFrom{lineage, from}, behind, size)
		}
		from = rest
	}
	p.Advance(p.p.passEarlier(next), -1)
}

func (p *Partition[T]) feed(vals []T, lineage Lineage, next int64, bytes int64) {
	if lineage.Offset(len(vals)-1)-lineage.Offset(0) > ledger.MaxSpan {
		p.feedApart(vals, lineage, next, bytes)
		return
	}
	vs := &valuesOf[T]{lineage: lineage, vals: vals, recs: make([]record, len(vals)), shelf: p.shelf}
	s := ledger.NewSlab(len(vals), next, bytes, vs)
	vs.orig = origin{part: p.p, slab: s}
	for i := range vals {
		s.SetOffset(i, lineage.Offset(i))
		r := &vs.recs[i]
		r.origin, r.Index = &vs.orig, int32(i)
	}
	p.p.intake.Lock()
	defer p.p.intake.Unlock()
	if !p.p.status().accepts() {
		return // not counted as read: they will be read again
	}
	p.p.feed(s, next)
}

// feedApart feeds records one by one, where a compacted log has left a gap between them that no
// slab spans.
func (p *Partition[T]) feedApart(vals []T, lineage Lineage, next int64, bytes int64) {
	for i := range vals {
		behind, size := next, bytes // the last one carries what they keep alive
		if i+1 < len(vals) {
			behind, size = lineage.Offset(i+1), 0
		}
		p.feed(vals[i:i+1:i+1], lineageFrom{lineage, i}, behind, size)
	}
}

// lineageFrom is the lineage of the values from an index on.
type lineageFrom struct {
	all  Lineage
	from int
}

func (l lineageFrom) Meta(i int) Meta    { return l.all.Meta(l.from + i) }
func (l lineageFrom) Key(i int) []byte   { return l.all.Key(l.from + i) }
func (l lineageFrom) Offset(i int) int64 { return l.all.Offset(l.from + i) }

// Advance says that the position has moved over offsets without records (control batches, compacted
// tails), and where the log ends: its high watermark, or the last stable offset under
// read_committed; -1 if unknown. Without it, lag would never reach 0 behind such offsets.
func (p *Partition[T]) Advance(next, end int64) { p.p.advance(next, end) }

// Halt stops the partition at what was read at offset and cannot be fed: a broken batch. What was
// fed before is worked on and committed; Resume reads again from Next, Skip goes on at next.
func (p *Partition[T]) Halt(offset, next int64, err error) {
	tp := p.p.tp
	p.p.seal(Failure{Meta: Meta{Topic: tp.Topic, Partition: tp.Partition, Offset: offset}, Step: p.p.host.name(), Attempts: 1, Err: err}, next)
}

// feeder is a source whose element type was forgotten.
type feeder interface {
	info() SourceInfo
	start(ctx context.Context, r *run) error
	commit(ctx context.Context, positions map[TopicPartition]Position) error
	opener() any
	source() any
}

type feederOf[T any] struct{ src Source[T] }

func (f *feederOf[T]) info() SourceInfo { return f.src.Info() }

func (f *feederOf[T]) source() any { return f.src }

func (f *feederOf[T]) start(ctx context.Context, r *run) error {
	return guarded(func() error { return f.src.Run(ctx, &Intake[T]{run: r}) })
}

func (f *feederOf[T]) commit(ctx context.Context, positions map[TopicPartition]Position) error {
	return guarded(func() error { return f.src.Commit(ctx, positions) })
}

func (f *feederOf[T]) opener() any {
	return opened[T](func(t *lane.Task) (*record, *T) {
		r := recordOf(t)
		return r, &r.slab.Payload.(*valuesOf[T]).vals[r.Index]
	})
}

func typeMismatch(got, want any) string {
	return fmt.Sprintf("the chain reads from a %T, its replacement is a %T", want, got)
}

package stream

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/laneway-go/laneway/internal/ledger"
)

// Source feeds a pipeline with the records of partitions and stores the offsets that it commits.
// Kafka, Slice and the in-memory test log are sources. You can write one for any system that has
// partitions, ascending offsets, and a place to store an offset.
//
// A Source is made once per Build (see From) and run once. Its methods:
//
//   - Run assigns partitions on in, feeds them while they have room, and revokes or loses them,
//     until ctx is cancelled or the source is exhausted. When ctx is cancelled it must stop
//     feeding, Revoke all assigned partitions, which drains and commits them, and return nil. If it
//     returns nil before ctx is cancelled, the source is exhausted: the pipeline finishes and
//     commits all fed records, then ends. An error ends the pipeline with that error.
//   - Commit stores the next position of each partition. There is one call at a time. A nil error
//     means that all are stored. A *CommitError names the partitions that are not. Failures are
//     retried unless marked Permanent, which fails the pipeline. If a partition was lost in the
//     meantime, call Lose, and name the partition in the error too: refusals of lost partitions are
//     not reported. Superseded tells whether a position is of an earlier assignment. Never store a
//     position whose topic id no longer exists: Lose the assignment with a *TopicGoneError.
//   - Info is called before the source connects.
type Source[T any] interface {
	Run(ctx context.Context, in *Intake[T]) error
	Commit(ctx context.Context, positions map[TopicPartition]Position) error
	Info() SourceInfo
}

// Intake is the pipeline as its source sees it. All methods may be called concurrently.
type Intake[T any] struct {
	inlet *inlet
	pool  sync.Pool // of *[bufferSize]T: the memory of values whose records are finished
}

// Assign starts an assignment of each partition, each in a new epoch. It does not block. It fails
// if a partition is still assigned: Revoke or Lose it first.
//
// The source feeds from Partition.Next, which may differ from the Next of the Assignment. With
// CommitWith a partition has no room until its Transactor has returned the offset to start from.
// Wake is called then. The Transactor's context has the values of ctx.
func (in *Intake[T]) Assign(ctx context.Context, parts ...Assignment) ([]*Partition[T], error) {
	ps, err := in.inlet.assign(ctx, parts)
	if err != nil {
		return nil, err
	}
	out := make([]*Partition[T], len(ps))
	for i, p := range ps {
		out[i] = &Partition[T]{p, &in.pool}
	}
	return out, nil
}

// Revoke drains partitions and ends their assignments. No new record is started. Started ones may
// finish until the deadline of ctx or DrainTimeout has passed. Then their progress is committed
// through the source and the partitions are released. Revoke blocks until then. A group member must
// continue its heartbeats in the meantime, and must still be able to commit. Cancelling ctx does
// not cut the drain, so the ctx of Run will do, which every shutdown cancels. Lose ends it at once.
func (in *Intake[T]) Revoke(ctx context.Context, parts ...*Partition[T]) {
	in.inlet.revoke(ctx, cores(parts))
}

// Lose ends assignments that another member may own already. It cancels their handlers' contexts,
// commits nothing and does not wait.
func (in *Intake[T]) Lose(err error, parts ...*Partition[T]) {
	in.inlet.lose(printable(err), cores(parts))
}

// Emit sends an event to the observers. Rebalanced also tells the pipeline that the source reaches
// its group.
func (in *Intake[T]) Emit(e Event) {
	if _, ok := e.(Rebalanced); ok {
		in.inlet.inTouch()
	}
	in.inlet.emit(in.inlet.stamped(e))
}

// SetHealth tells the pipeline whether the source can reach the system it reads from: nil, or why
// it cannot. Pipeline.Ready returns the error. The first Assign sets it to nil. For a problem of
// one partition use Trouble.
func (in *Intake[T]) SetHealth(err error) { in.inlet.setHealth(printable(err)) }

func cores[T any](ps []*Partition[T]) []*part {
	out := make([]*part, len(ps))
	for i, p := range ps {
		out[i] = p.p
	}
	return out
}

// Partition is one assignment of one partition. After Revoke or Lose its methods do nothing.
type Partition[T any] struct {
	p    *part
	pool *sync.Pool
}

// TopicPartition returns the topic and the number of the partition.
func (p *Partition[T]) TopicPartition() TopicPartition { return p.p.tp.outside() }

// TopicID returns the topic id of the Assignment.
func (p *Partition[T]) TopicID() TopicID { return p.p.topic }

// Room returns how much may be fed now. records limits the next Feed. bytes is a target that one
// record or one batch may exceed. Both are 0 while the partition is full or halted, and after its
// drain has started. Assignment.Wake is called once there is room again.
func (p *Partition[T]) Room() (records int, bytes int64) {
	waits := p.p.full.Load()
	if records, bytes = p.p.roomIf(waits); records > 0 || waits {
		return records, bytes
	}
	p.p.full.Store(true)
	p.p.lookAtStalls(bufferSize)
	// Room for a single record counts: room that became free before full was set woke no one and
	// flushed nothing, since the partition was not full.
	if records, bytes = p.p.roomIf(false); records > 0 {
		p.p.full.Store(false)
	}
	return records, bytes
}

// Next returns the offset to feed from. Call it once there is Room. Feed and Advance move it, and
// so does Skip if the source halted at a record.
func (p *Partition[T]) Next() int64 { return p.p.fetched() }

// Buffer returns an empty slice with a capacity of at least n values, to be filled and passed to
// Feed. From 128 to 256 values it reuses memory of finished records, to avoid garbage. Feed accepts
// any other slice, too.
func (p *Partition[T]) Buffer(n int) []T {
	if n < bufferSize/2 || n > bufferSize {
		return make([]T, 0, n) // a pooled buffer would be mostly empty while it is in flight
	}
	if b, ok := p.pool.Get().(*[bufferSize]T); ok {
		return b[:0]
	}
	return make([]T, 0, bufferSize)
}

// Feed passes records to the pipeline, in ascending order of their offsets. The pipeline owns vals
// from then on. lineage has the origin of each value. next is the position after the records and
// any gap that follows. bytes is the memory that the records keep alive. Feed does not block.
func (p *Partition[T]) Feed(vals []T, lineage Lineage, next int64, bytes int64) {
	if len(vals) == 0 {
		p.Advance(next, -1)
		return
	}
	p.p.intake.Lock() // before the look at what is finished: the end of a halt may add to that
	defer p.p.intake.Unlock()
	p.p.lookAtStalls(len(vals))
	if p.p.ahead.begun.Load() || p.p.asides.some.Load() {
		p.feedUnfinished(vals, lineage, next, bytes)
		return
	}
	p.feed(vals, lineage, next, bytes, nil)
}

// feedUnfinished feeds records except those that an earlier assignment has finished, and those of
// lanes that are set aside. The watermark passes over these like over a gap in the log.
func (p *Partition[T]) feedUnfinished(vals []T, lineage Lineage, next int64, bytes int64) {
	offsets, left := make([]int64, len(vals)), make([]bool, len(vals)) // left out
	for i := range vals {
		at, ok := p.p.offsetAt(lineage, i)
		key, told := p.p.keyAt(lineage, i)
		if !ok || !told {
			return
		}
		offsets[i], left[i] = at, p.p.finishedEarlier(at) || p.p.leavesOut(at, key)
	}
	memory := ledger.NewMemory(bytes)
	for from := 0; from < len(vals); {
		to := from
		for to < len(vals) && !left[to] {
			to++
		}
		rest := to
		for rest < len(vals) && left[rest] {
			rest++
		}
		behind := next
		if rest < len(vals) {
			behind = offsets[rest]
		}
		if from == to {
			p.Advance(behind, -1)
		} else if !p.feed(vals[from:to:to], lineageFrom{lineage, from}, behind, 0, memory) {
			return
		}
		from = rest
	}
	p.Advance(p.p.passEarlier(next), -1)
}

// feed feeds records as one slab, which uses memory if that is not nil. It returns false if the
// Lineage panicked. Nothing may be fed behind them then. The caller holds intake.
func (p *Partition[T]) feed(vals []T, lineage Lineage, next int64, bytes int64, memory *ledger.Memory) bool {
	first, ok := p.p.offsetAt(lineage, 0)
	last, told := p.p.offsetAt(lineage, len(vals)-1)
	if !ok || !told {
		return false
	}
	if last-first > ledger.MaxSpan {
		return p.feedApart(vals, lineage, next, cmp.Or(memory, ledger.NewMemory(bytes)))
	}
	s := p.slab(vals, lineage, next, bytes)
	if s == nil {
		return false
	}
	if memory != nil {
		s.Use(memory)
	}
	if p.p.status().accepts() { // else Next does not move, so the records are read again
		p.p.feed(s, next)
	}
	return true
}

// slab returns a slab of the values, or nil if their Lineage panicked.
func (p *Partition[T]) slab(vals []T, lineage Lineage, next, bytes int64) *ledger.Slab {
	defer p.p.catches(offsetOfLineage)
	return newSlab(p.p, p.pool, vals, lineage, next, bytes)
}

// feedApart feeds records one by one, since a compacted log has a gap between them that is too wide
// for a slab.
func (p *Partition[T]) feedApart(vals []T, lineage Lineage, next int64, memory *ledger.Memory) bool {
	for i := range vals {
		behind, ok := next, true
		if i+1 < len(vals) {
			behind, ok = p.p.offsetAt(lineage, i+1)
		}
		if !ok || !p.feed(vals[i:i+1:i+1], lineageFrom{lineage, i}, behind, 0, memory) {
			return false
		}
	}
	return true
}

// Advance moves the position over offsets without records, such as control batches and compacted
// ranges. Without it, lag would not reach 0 after such offsets. end is the end of the log: its high
// watermark, the last stable offset with read_committed, or -1 if unknown.
func (p *Partition[T]) Advance(next, end int64) { p.p.advance(next, end) }

// Halt halts the partition at an offset that the source cannot read, such as a broken batch.
// Records fed before are processed and committed. After Resume the source reads from Next again;
// Skip moves Next to next.
func (p *Partition[T]) Halt(offset, next int64, err error) {
	tp := p.p.tp
	p.p.haltFeed(Failure{Meta: tp.at(offset), Step: p.p.host.name(), Attempts: 1, Err: printable(err)}, next)
}

type feederOf[T any] struct{ src Source[T] }

func (f *feederOf[T]) info() SourceInfo { return f.src.Info() }

func (f *feederOf[T]) source() any { return f.src }

func (f *feederOf[T]) start(ctx context.Context, in *inlet) error {
	return guarded(func() error { return f.src.Run(ctx, &Intake[T]{inlet: in}) })
}

func (f *feederOf[T]) commit(ctx context.Context, positions map[TopicPartition]Position) error {
	return guarded(func() error { return f.src.Commit(ctx, positions) })
}

func typeMismatch(got, want any) string {
	return fmt.Sprintf("the chain reads from a %T, but its replacement is a %T", want, got)
}

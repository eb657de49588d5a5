package stream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/lane"
)

// inlet is one source of a run, and the host of the partitions that it feeds. A source knows
// nothing of the others in a Merge: its partitions have its name inside the pipeline only.
type inlet struct {
	*run
	feeder
	index    int
	id       string       // TopicPartition.Source of its partitions
	first    *stage       // where its records start
	stateMax atomic.Int64 // maximum bytes of a resume state
	ended    atomic.Bool  // exhausted, while others run

	// guarded by run.mu
	health error
	// records finished but not committed, of partitions lost since the group was last reached
	lost map[TopicPartition]string
}

var errConnecting = errors.New("the source has not connected yet [LW218]")

func newInlet(r *run, i int, src feeder, id string) *inlet {
	in := &inlet{run: r, feeder: src, index: i, id: id, health: errConnecting, lost: map[TopicPartition]string{}}
	in.stateMax.Store(int64(src.info().StateBytes))
	return in
}

// limitState looks whether the source has learned a lower limit of the brokers.
func (in *inlet) limitState() {
	in.call("Info of the source", func() { in.stateMax.Store(int64(in.info().StateBytes)) })
}

// What a partition needs of its source.

func (in *inlet) stateBytes() int         { return int(in.stateMax.Load()) }
func (in *inlet) feed(p *part, vs values) { in.first.putAll(p, vs) }

func (in *inlet) again(_ *part, recs []*record) {
	for _, rec := range recs {
		// not the record's own task: its old lane may still hold that one
		in.first.put(nil, rec, in.first.idOf(noWorker, rec), taskAgain(rec))
	}
}

func (in *inlet) cut(p *part, id uint64, stays func(*record) bool) (recs []*record) {
	for _, t := range p.sets[p.entry].Cut(id, func(t *lane.Task) bool { return t.Kind == kindOfFlush || stays(recordOf(t)) }) {
		recs = append(recs, recordOf(t))
	}
	if in.counts && len(recs) > 0 {
		p.endedN(len(recs))
	}
	return recs
}

// inside returns the name of a partition within the pipeline.
func (in *inlet) inside(tp TopicPartition) TopicPartition {
	tp.Source = in.id
	return tp
}

// outside returns the name of a partition as its source knows it.
func (tp TopicPartition) outside() TopicPartition {
	tp.Source = ""
	return tp
}

// parts returns the assigned partitions of the source.
func (in *inlet) parts() []*part {
	all := in.all()
	if len(in.inlets) == 1 {
		return all
	}
	var ps []*part
	for _, p := range all {
		if p.source == in.index {
			ps = append(ps, p)
		}
	}
	return ps
}

// topics returns the topics of all sources.
func (r *run) topics() (all []string) {
	for _, in := range r.inlets {
		all = append(all, in.info().Topics...)
	}
	return all
}

func (in *inlet) setHealth(err error) {
	in.mu.Lock()
	in.health = err
	in.mu.Unlock()
}

// inTouch is called when the source reaches its group again.
func (in *inlet) inTouch() {
	in.mu.Lock()
	defer in.mu.Unlock()
	clear(in.lost)
}

// named adds the source's name to an error about the source as a whole.
func (in *inlet) named(err error) error {
	if err == nil || in.id == "" {
		return err
	}
	return fmt.Errorf("source %s: %w", in.id, err)
}

// unreached returns why sources cannot be reached, or nil if all can.
func (r *run) unreached() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.inlets {
		err = errors.Join(err, in.named(in.away()))
	}
	return err
}

// away returns why the source cannot be reached, or nil. One that is exhausted need not be. The
// caller holds run.mu.
func (in *inlet) away() error {
	if in.ended.Load() {
		return nil
	}
	return in.health
}

// stamped returns an event of the source as observers see it: its partition has the source's name.
func (in *inlet) stamped(e Event) Event {
	switch e := e.(type) {
	case SourceEvent:
		e.TopicPartition = in.inside(e.TopicPartition)
		return e
	case OffsetReset:
		e.TopicPartition = in.inside(e.TopicPartition)
		return e
	case TopicRecreated:
		e.TopicPartition = in.inside(e.TopicPartition)
		return e
	}
	return e
}

// feeder is a Source without its element type.
type feeder interface {
	info() SourceInfo
	start(ctx context.Context, in *inlet) error
	commit(ctx context.Context, positions map[TopicPartition]Position) error
	rereads() bool // the source is a Rereader
	reread(ctx context.Context, p *part, from int64) (*rereadChunk, error)
	source() any
}

// sourced is the op of a source.
type sourced interface {
	// open returns the source of one run: that of the chain, or its replacement.
	open(replacement any) (feeder, error)
}

// openSources returns the sources of one run. Those in made are there already.
func openSources(plans []*sourcePlan, made map[*node]feeder) (srcs []feeder, err error) {
	for _, s := range plans {
		src := made[s.node]
		if src == nil || s.replaced != nil {
			var e error
			src, e = s.node.op.(sourced).open(s.replaced)
			err = errors.Join(err, e)
		}
		srcs = append(srcs, src)
	}
	return srcs, err
}

// infoOf returns the SourceInfo of a source.
func infoOf(src feeder) (info SourceInfo, err error) {
	if err := guarded(func() error { info = src.info(); return nil }); err != nil {
		return info, &BuildError{Code: faultChain, What: fmt.Sprintf("the Info of a %T panicked: %v", src.source(), err), Fix: "return what is known before anything connects"}
	}
	return info, nil
}

// infosOf returns the SourceInfo of each source that was opened and answers, and titles its plan.
func infosOf(plans []*sourcePlan, srcs []feeder) (infos []SourceInfo, err error) {
	for i, src := range srcs {
		if src == nil {
			continue
		}
		info, e := infoOf(src)
		if err = errors.Join(err, e); e == nil {
			infos, plans[i].title = append(infos, info), info.Name
		}
	}
	return infos, err
}

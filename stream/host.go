package stream

import (
	"context"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/resume"
)

// host is the run that a partition is assigned to, as far as a partition knows it.
type host interface {
	name() string
	handlers() context.Context // of handlers; ends at the deadline of the last drain
	stopped() <-chan struct{}  // closed when the run begins to drain
	// what a partition may have in flight: records, and its share of the bytes
	limits() (int, int64)
	maxAhead() int64             // how far it may be read above its watermark
	stateBytes() int             // how large its resume state may be
	build() (resume.Build, bool) // which program this is; false: not known
	hasStep(name string) bool
	greets() bool   // an observer wants to know of records that start
	working() bool  // the source may bring more, and no drain has begun
	spawn(f func()) // starts a goroutine, which the run waits for
	emit(e Event)   // tells the observers; never called under a lock
	fail(err error) // ends the run
	// the highest offset that a worker of the first stage is at; -1: none
	started(p *part) int64
	// what is held back of records that are worked on again has to be forgotten
	rerunsForget() bool

	// What a partition has decided, to be carried out.
	// puts a slab into the lanes of the first stage
	feed(p *part, vs values)
	again(p *part, recs []*record) // puts records back into them
	// puts an element behind the gate into those of a stage
	pass(to int, below *record, id uint64, t *lane.Task)
	discard(p *part)      // gives back what batches hold
	giveUpInside(p *part) // and what Transforms hold
	// flushes what is kept back, if nothing more can come
	settle(p *part)
	look(p *part) // has finished records committed
	// counts what has finished and is no record at rest
	advanced(p *part)
	resumed(p *part, again map[int64]bool, end haltEnd) (instead func())
	released(p *part, cause error)
}

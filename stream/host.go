package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/resume"
)

// host is what a partition needs from the run that it is assigned to.
type host interface {
	name() string
	handlers() context.Context // the handlers' context; cancelled at the last drain's deadline
	stopped() <-chan struct{}  // closed when the run starts to drain
	// limits returns the partition's limits in flight: records, and its share of the bytes
	limits() (int, int64)
	maxAhead() int64             // the maximum span of offsets above the watermark
	stateBytes() int             // the maximum size of a resume state
	build() (resume.Build, bool) // the build of this program; false if unknown
	// stepOf returns the name of the step that a resume state has stored, and the line of words that
	// has it: see stepPlan. ok is false if there is none.
	stepOf(stored string) (name string, line int, ok bool)
	hasStartHook() bool // an observer has a start hook
	mayResume() bool    // halts may end by themselves
	// restarts calls f, which asks for the end of a halt, unless nothing returns to the first stage
	// anymore
	restarts(f func())
	spawn(f func()) // starts a goroutine that the run waits for
	emit(e Event)   // tells the observers; never called under a lock
	fail(err error) // ends the run
	// call calls a func of the source, and ends the run if it panics
	call(what string, f func())
	// lose releases partitions that are not this worker's anymore
	lose(cause error, ps []*part)
	// started returns the highest offset in work in the first stage, or -1
	started(p *part) int64
	// rerunsForget: reprocessing a record discards the results that are held back of it
	rerunsForget() bool

	// The methods below make the run do something.

	// reread reads records again, from an offset on
	reread(ctx context.Context, p *part, from int64) (*rereadChunk, error)
	feed(p *part, vs values) // puts a slab into the lanes of the first stage
	// cut takes the records out of a lane of the first stage that are queued behind the last one that
	// stays, while the lane's worker waits in a stall
	cut(p *part, lane uint64, stays func(*record) bool) []*record
	again(p *part, recs []*record) // puts records back into those lanes
	// pass puts an element that passed the ack barrier into the lanes of a stage
	pass(to int, below *record, id uint64, t *lane.Task)
	discard(p *part)      // abandons dropped elements in batches
	giveUpInside(p *part) // abandons dropped elements in Transforms
	reconcile(p *part)    // does all that is due, from the partition's current state
	advanced(p *part)     // notes an advance over offsets without records, or a skip of them
	resumed(p *part, again map[int64]bool, end haltEnd) (instead func())
	released(p *part, cause error)
}

// loseIfExpired loses a partition whose assignment has expired by the source's clock, since another
// worker may own it.
func (p *part) loseIfExpired() {
	if p.expired != nil && p.hasExpired() {
		p.host.lose(errExpired, []*part{p})
	}
}

func (p *part) hasExpired() bool {
	defer p.catches("Expired of an Assignment")
	return p.expired()
}

var errExpired = errors.New("this process was paused, and another worker may own the partition now [LW220]")

const offsetOfLineage = "Offset of a Lineage"

// offsetAt returns the offset of an element. ok is false if the Lineage panicked.
func (p *part) offsetAt(l Lineage, i int) (offset int64, ok bool) {
	defer p.catches(offsetOfLineage)
	return l.Offset(i), true
}

// keyAt returns the key of an element. ok is false if the Lineage panicked.
func (p *part) keyAt(l Lineage, i int) (key []byte, ok bool) {
	defer p.catches("Key of a Lineage")
	return l.Key(i), true
}

// catches ends the run if a method of the source panics. Unlike call it costs nothing per record,
// and may be deferred under a lock: the run fails in a goroutine of its own.
func (p *part) catches(method string) {
	if v := recover(); v != nil {
		err := fmt.Errorf("the %s: %w", method, panicked(v))
		p.host.spawn(func() { p.host.fail(err) })
	}
}

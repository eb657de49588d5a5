package stream

import (
	"context"

	"github.com/laneway-go/laneway/internal/ledger"
)

// commits is the way in which finished prefixes are committed. The committer stores their offsets,
// transactions write results with the offsets, and noCommits forgets them.
type commits interface {
	// begin prepares the ledger of an assignment: it sets Finished and Forget.
	begin(p *part, l *ledger.Ledger)
	// assigned is called with new partitions. told is closed once observers have heard of them.
	assigned(ctx context.Context, ps []*part, told <-chan struct{})
	// start starts the goroutines; stop ends them.
	start()
	stop()

	// waiting returns why a partition has not started, or nil if it has.
	waiting(p *part) error
	// finish returns how an element ends at the end of the chain. It is called once.
	finish() finish
	// advanced is called after the position of p moved over offsets without records.
	advanced(p *part)
	// look is called when the partition reconciles.
	look(p *part)
	// resumed is called when a halt ends, before the records in again are reprocessed. If it
	// returns a func, that is called and the records are not put back.
	resumed(p *part, again map[int64]bool, end haltEnd) (instead func())
	// now commits the finished records of partitions, and waits until that is done or ctx ends.
	now(ctx context.Context, ps []*part) error
	// last is now before partitions are released. Commits in flight when commit ends are given up.
	// drain is the context of the whole drain.
	last(drain, commit context.Context, ps []*part) error
	// holds returns what keeps finished records of a partition from being committed, or nil if
	// nothing is known to.
	holds(p *part) *hold
	// release forgets a released partition.
	release(p *part, cause error)
}

// noCommits is a chain without a commit.
type noCommits struct{}

func (noCommits) begin(_ *part, l *ledger.Ledger) { l.Forget = forgetValues }

func (noCommits) assigned(context.Context, []*part, <-chan struct{}) {}
func (noCommits) start()                                             {}
func (noCommits) stop()                                              {}
func (noCommits) waiting(*part) error                                { return nil }
func (noCommits) finish() finish                                     { return done }
func (noCommits) advanced(*part)                                     {}
func (noCommits) look(*part)                                         {}
func (noCommits) resumed(*part, map[int64]bool, haltEnd) func()      { return nil }
func (noCommits) now(context.Context, []*part) error                 { return nil }
func (noCommits) last(_, _ context.Context, _ []*part) error         { return nil }
func (noCommits) release(*part, error)                               {}
func (noCommits) holds(*part) *hold                                  { return nil }

// done ends an element that waits for no commit.
func done(_ *worker, r *record) { r.done() }

// forgetValues releases the values of a finished slab.
func forgetValues(payload any) { payload.(values).forget() }

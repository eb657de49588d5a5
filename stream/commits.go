package stream

import (
	"context"

	"github.com/laneway-go/laneway/internal/ledger"
)

// commits is what becomes of finished prefixes: the committer stores their offsets, transactions
// write results with them, and noCommits forgets them.
type commits interface {
	// begin prepares an assignment: what counts its finished records, and what keeps its slabs.
	begin(p *part, l *ledger.Ledger)
	// assigned is called with new partitions; told is closed when observers have heard of them.
	assigned(ctx context.Context, ps []*part, told <-chan struct{})
	// start starts the goroutines; stop ends them.
	start()
	stop()

	// waiting says why a partition does not start; nil: it has.
	waiting(p *part) error
	// finish ends an element at the end of the chain.
	finish(w *worker, r *record)
	// advanced is called where the position of p has moved over offsets without records.
	advanced(p *part)
	// look is called when the partition reconciles.
	look(p *part)
	// resumed is called when a halt ends and the records in again will be worked on again; instead,
	// where it is not nil, is what has to happen in place of that.
	resumed(p *part, again map[int64]bool, end haltEnd) (instead func())
	// now commits what is finished of partitions and waits for that, until ctx ends.
	now(ctx context.Context, ps []*part) error
	// last is now for partitions that are about to go. What is under way for them when commit ends
	// is given up; drain is the context of the whole drain.
	last(drain, commit context.Context, ps []*part) error
	// holds is what keeps finished records of a partition from being committed; nil: nothing that
	// is known.
	holds(p *part) *hold
	// release forgets a partition that was let go.
	release(p *part, cause error)
}

// noCommits is a chain without a commit.
type noCommits struct{}

func (noCommits) begin(_ *part, l *ledger.Ledger) { l.Forget = forgetValues }

func (noCommits) assigned(context.Context, []*part, <-chan struct{}) {}
func (noCommits) start()                                             {}
func (noCommits) stop()                                              {}
func (noCommits) waiting(*part) error                                { return nil }
func (noCommits) finish(_ *worker, r *record)                        { r.done() }
func (noCommits) advanced(*part)                                     {}
func (noCommits) look(*part)                                         {}
func (noCommits) resumed(*part, map[int64]bool, haltEnd) func()      { return nil }
func (noCommits) now(context.Context, []*part) error                 { return nil }
func (noCommits) last(_, _ context.Context, _ []*part) error         { return nil }
func (noCommits) release(*part, error)                               {}
func (noCommits) holds(*part) *hold                                  { return nil }

// forgetValues lets go of a slab whose records are finished for good.
func forgetValues(payload any) { payload.(values).forget() }

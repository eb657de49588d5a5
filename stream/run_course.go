package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// do runs the pipeline from start to end.
func (r *run) do(ctx context.Context) error {
	srcCtx, stop := context.WithCancelCause(ctx)
	r.setStop(srcCtx, stop)
	defer stop(nil)
	err := r.openSinks(ctx)
	switch {
	case err == nil:
		err = r.work(srcCtx)
	// an Open that fails because ctx was cancelled is no failure of the run
	case ctx.Err() != nil && !isPanic(err):
		err = nil
		r.drain(context.Cause(ctx))
	}
	err = r.close(err)
	r.emit(Drained{err})
	return err
}

// work runs the source and all stages until every record is finished or abandoned.
func (r *run) work(ctx context.Context) error {
	r.overruns.start()
	r.commits.start()
	for _, sg := range r.stages {
		if d := sg.transform; d != nil {
			r.spawn(d.relay)
			r.spawn(func() { d.work(r.workCtx) })
			r.spawn(func() {
				d.pump()
				d.through()
				r.settleAll()
			})
		}
	}
	ended := make(chan sourceEnd, len(r.inlets))
	for _, in := range r.inlets {
		r.spawn(func() {
			end := sourceEnd{in, errEnded}
			defer func() { ended <- end }()
			end.err = in.start(ctx, in)
		})
	}
	err := r.untilEnd(ctx, ended)
	if err == nil && ctx.Err() == nil {
		return r.finishAll(ctx)
	}
	r.revoke(context.Background(), r.all()) // partitions that a source did not revoke
	r.finishTails()
	return err
}

// sourceEnd is the return of a source's Run.
type sourceEnd struct {
	in  *inlet
	err error
}

// untilEnd waits for the end of all sources, and drains the pipeline once ctx ends or one fails.
func (r *run) untilEnd(ctx context.Context, ended <-chan sourceEnd) (err error) {
	left, running := slices.Clone(r.inlets), ctx.Done()
	var late <-chan time.Time
	drain := func(cause error) {
		running, late = nil, r.pastDrain()
		r.drain(cause)
	}
	for len(left) > 0 {
		select {
		case end := <-ended:
			left = slices.DeleteFunc(left, func(in *inlet) bool { return in == end.in })
			switch {
			case ctx.Err() != nil && running != nil:
				drain(context.Cause(ctx))
				fallthrough
			case running == nil:
				err = cmp.Or(err, end.in.named(end.err))
			case end.err != nil:
				err = end.in.named(end.err)
				drain(err)
				if len(left) > 0 {
					r.stopSources(err)
				}
			case len(left) > 0:
				end.in.exhaust()
			}
		case <-running:
			drain(context.Cause(ctx))
		case <-late:
			if err == nil {
				for _, in := range left {
					err = errors.Join(err, fmt.Errorf("the source %s did not end: %w", r.plan.sources[in.index].called(), ErrDrain))
				}
			}
			return err
		}
	}
	return err
}

// finishAll finishes all records after the source is exhausted, and waits for halts that end by
// themselves. A drain may interrupt it.
func (r *run) finishAll(ctx context.Context) error {
	r.enter(finishing)
	ps := r.all()
	r.settleAll()
	for {
		calm := r.await(ctx, ps, (*part).calm)
		_ = calm && r.commits.now(ctx, ps) == nil && r.await(ctx, tailsOf(ps), (*part).finished)
		over := r.resuming()
		// of a partition that was calm, a halt may have ended while await waited for another
		again := func(p *part) bool { return p.ending() || calm && !p.calm() && !p.status().isReleased() }
		if over == nil && !slices.ContainsFunc(ps, again) || ctx.Err() != nil {
			break
		}
		if over == nil {
			continue // await waits for what is under way
		}
		select {
		case <-over:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		r.drain(context.Cause(ctx))
	}
	halted := r.halts()
	r.revoke(context.Background(), ps)
	r.finishTails()
	if len(halted) > 0 && ctx.Err() == nil {
		return fmt.Errorf("the source is exhausted, but not every record is finished: %v [LW215]", halted[0])
	}
	return nil
}

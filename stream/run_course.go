package stream

import (
	"context"
	"fmt"
	"slices"
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
		if d := sg.doorway; d != nil {
			r.spawn(d.relay)
			r.spawn(func() { d.work(r.workCtx) })
			r.spawn(func() {
				d.pump()
				d.through()
				r.settleAll()
			})
		}
	}
	ended := make(chan error, 1)
	r.spawn(func() {
		err := errEnded
		defer func() { ended <- err }()
		err = r.src.start(ctx, r)
	})
	var err error
	select {
	case err = <-ended:
		if err == nil && ctx.Err() == nil {
			return r.finishAll(ctx)
		}
		if ctx.Err() == nil {
			r.drain(err)
		} else {
			r.drain(context.Cause(ctx))
		}
	case <-ctx.Done():
		r.drain(context.Cause(ctx))
		select {
		case err = <-ended:
		case <-r.pastDrain():
			err = fmt.Errorf("the source %s did not end: %w", r.plan.name, ErrDrain)
		}
	}
	r.revoke(context.Background(), r.all()) // partitions that the source did not revoke
	r.finishTails()
	return err
}

// finishAll finishes all records after the source is exhausted, and waits for halts that end by
// themselves. A drain may interrupt it.
func (r *run) finishAll(ctx context.Context) error {
	r.enter(finishing)
	ps := r.all()
	r.settleAll()
	for {
		_ = r.await(ctx, ps, (*part).calm) && r.commits.now(ctx, ps) == nil && r.await(ctx, tailsOf(ps), (*part).finished)
		over := r.mending()
		if over == nil && !slices.ContainsFunc(ps, (*part).ending) || ctx.Err() != nil {
			break
		}
		if over == nil {
			continue // await waits for the end that is under way
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
		return fmt.Errorf("the source is exhausted, and not everything is finished: %v [LW215]", halted[0])
	}
	return nil
}

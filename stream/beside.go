package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Admin serves operators beside the pipelines of a Supervisor. Package ops/admin has one; implement
// it to bring another.
type Admin interface {
	// Listen is called once, before the pipelines run. Its error ends Run. drain drains all
	// pipelines, as a signal does; the cause is what Draining tells.
	//
	// serve runs beside the pipelines. Its context ends after the last of them has ended. It
	// returns then; earlier, or with an error, it fails the supervisor as a pipeline would.
	Listen(pipelines []*Pipeline, drain func(cause error)) (serve func(context.Context) error, err error)
}

// Admin runs a beside the pipelines, from before the sources connect until the last pipeline has
// ended, so that operators see a drain to its end.
//
//	stream.Supervise(p).Admin(admin.At("127.0.0.1:7070")).Run(ctx)
func (s *Supervisor) Admin(a Admin) *Supervisor {
	s.admin = a
	return s
}

// invite makes the admin listen, if there is one. If it cannot, invite closes l.
func (w *watch) invite(l net.Listener) (serve func(context.Context) error, err error) {
	if w.admin == nil {
		return nil, nil
	}
	serve, err = w.admin.Listen(w.pipelines, w.drain)
	if err != nil && l != nil {
		err = errors.Join(err, l.Close())
	}
	return serve, err
}

// host serves the admin until ctx ends.
func (w *watch) host(ctx context.Context, serve func(context.Context) error) {
	err := errPanicked
	defer func() {
		if err == nil && ctx.Err() == nil {
			err = errors.New("the admin ended before the pipelines [LW235]")
		}
		if err != nil {
			w.fail(err)
		}
	}()
	err = serve(ctx)
}

// Observe adds an observer to a built pipeline, for all runs that start afterwards. Unlike the
// option of the same name it leaves the default log on.
func (p *Pipeline) Observe(o Observer) error {
	o, err := o.attached(p)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opts.hooks = append(p.opts.hooks, o.hooks())
	return nil
}

// ErrEpoch: the partition passed to Pause is not assigned here in that epoch.
var ErrEpoch = errors.New("the partition is not assigned here in that epoch: take a Snapshot again [LW233]")

// Pause stops reading a partition. Records read before are processed and committed. Halts lists the
// pause with by as its author. Resume ends it; Skip does not, since no record has failed. The pause
// ends with the assignment: the next owner reads the partition.
//
// epoch is that of the Snapshot you looked at. The error is ErrEpoch if the partition has another
// assignment by now, and ErrNotRunning if the pipeline does not run. Pause also fails if the
// partition is paused already, or halted by its source.
func (p *Pipeline) Pause(tp TopicPartition, epoch int32, by string) error {
	if by == "" {
		return fmt.Errorf("Pause of %v: by is empty: pass the name of who asks [LW234]", tp)
	}
	r := p.current()
	if r == nil {
		return ErrNotRunning
	}
	r.mu.Lock()
	q := r.parts[tp]
	r.mu.Unlock()
	if q == nil || q.epoch != epoch {
		return fmt.Errorf("%v, epoch %d: %w", tp, epoch, ErrEpoch)
	}
	return q.pause(by)
}

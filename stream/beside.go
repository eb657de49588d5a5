package stream

import (
	"context"
	"errors"
	"net"
)

// Admin lets operators see and control the pipelines of a Supervisor. Package ops/admin implements
// it; implement it yourself for another one.
type Admin interface {
	// Listen is called once, before the pipelines run. Its error ends Run. drain drains all
	// pipelines, as a signal does; Draining reports the cause.
	//
	// serve runs beside the pipelines. Its context ends after the last of them has ended, and serve
	// must return then. If it returns earlier, or with an error, the supervisor fails as if a
	// pipeline had failed.
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

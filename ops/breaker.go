package ops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/laneway-go/laneway/internal/outage"
	"github.com/laneway-go/laneway/stream"
)

// Breaker is a circuit breaker around a dependency, such as a database or a service. All steps with
// the same Breaker share it, across pipelines. While the dependency is down, the elements of these
// steps wait without a worker, and use up no attempt. So an outage retries, dead-letters and halts
// nothing. About once a second one call probes whether the dependency is back.
//
//	bank := ops.Breaker("bank", ops.Unavailable)
//	…	MapConcurrent(64, charge, stream.Use(bank), stream.Timeout(3*time.Second)).
//
// outage reports whether an error means that the dependency is down. It must not match an error
// that a bad element causes. Unavailable is such a func. Other errors, and those marked
// stream.Permanent, pass as if there were no breaker. With a nil outage, Breaker returns nil, which
// Build refuses. Of a batch that fails with a *stream.PartialError, the elements wait that failed
// for the outage.
//
// Five such errors in a row open the breaker. Before that, a failed element waits until other calls
// show the cause. If a later call succeeds, the dependency is up, and the policies decide about the
// error. If no other call is running, the element is retried after 100 ms.
//
// While the breaker is open, each probe is a call for another element. The first probe that
// succeeds closes the breaker and wakes all elements. A probe may take as long as the step's
// Timeout, so keep that within a few seconds.
//
// Observers get a stream.StepEvent "breaker opened" or "breaker closed", and stream.Postponed for
// each element that waits. stream.Snapshot.Postponed and the metric laneway_postponed count those.
// Costs a few hundred nanoseconds per call.
func Breaker(name string, outage func(error) bool) stream.Middleware {
	if outage == nil {
		return nil
	}
	b := &breaker{name: name, outage: outage, probing: make(chan struct{}, 1), heard: make(chan struct{}), turned: make(chan struct{})}
	b.state = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:       breakerProbes - breakerProbes/10, // over when the first probe comes
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsExcluded:    func(err error) bool { return errors.Is(err, errNoVerdict) },
		OnStateChange: func(_ string, _, to gobreaker.State) { b.changed(to) },
	})
	return b.around
}

const (
	breakerFailures = 5
	breakerProbes   = time.Second
	breakerDoubt    = 100 * time.Millisecond
)

var errNoVerdict = errors.New("the call does not show whether the dependency is there")

// breaker adds waits and events to gobreaker, which counts calls and decides.
type breaker struct {
	name    string
	outage  func(error) bool
	state   *gobreaker.TwoStepCircuitBreaker[struct{}] // its lock comes before mu
	probing chan struct{}                              // capacity 1: held by the element that probes next

	mu       sync.Mutex // guards the fields below; nothing is called under it
	calls    int64      // started
	inFlight int64
	good     int64         // number of the last call that succeeded
	doubts   int           // elements that wait for such a call
	heard    chan struct{} // closed and replaced when good changes while doubts > 0
	open     bool          // or half-open
	turned   chan struct{} // closed and replaced when open changes
	news     bool          // open has changed, and observers have not been told
	next     time.Time     // time of the next probe
}

func (b *breaker) around(next stream.Handler) stream.Handler {
	return func(ctx context.Context, c stream.Call) error {
		done, err := b.state.Allow()
		if err != nil {
			return stream.Postpone(fmt.Errorf("the breaker %s is open [LW443]", b.name), b.untilProbe)
		}
		n, verdict := b.begin(), errNoVerdict // stays if next panics
		defer func() {
			b.end(n, verdict)
			done(verdict)
			b.tell(ctx, err)
		}()
		err = next(ctx, c)
		if errors.Is(ctx.Err(), context.Canceled) { // by the runtime
			return err
		}
		verdict = nil
		if told := b.postpones(err); told != nil {
			verdict = err
			return told
		}
		return err
	}
}

// postpones returns err as an error that postpones what failed for the outage: the call, or the
// elements that err names. It returns nil if nothing did.
func (b *breaker) postpones(err error) error {
	part, named := errors.AsType[*stream.PartialError](err)
	if !named {
		if err == nil || stream.IsPermanent(err) || !b.outage(err) {
			return nil
		}
		return stream.Postpone(err, func(ctx context.Context) error { return b.inDoubt(ctx, err) })
	}
	errs := maps.Clone(part.Errs)
	var any error
	for i, e := range part.Errs {
		if one := b.postpones(e); one != nil {
			errs[i] = one
			any = &stream.PartialError{Errs: errs}
		}
	}
	return any
}

func (b *breaker) begin() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	b.inFlight++
	return b.calls
}

func (b *breaker) end(n int64, verdict error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	if verdict == nil && n > b.good {
		b.good = n
		if b.doubts > 0 {
			close(b.heard)
			b.heard = make(chan struct{})
		}
	}
}

// changed is called by gobreaker when its state changes.
func (b *breaker) changed(to gobreaker.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if to == gobreaker.StateOpen {
		b.later()
	}
	if open := to != gobreaker.StateClosed; open != b.open {
		b.open, b.news = open, true
		close(b.turned)
		b.turned = make(chan struct{})
	}
}

// later sets the time of the next probe. The caller holds mu.
func (b *breaker) later() { b.next = time.Now().Add(breakerProbes + rand.N(breakerProbes/10)) }

// tell tells observers that the breaker has opened or closed.
func (b *breaker) tell(ctx context.Context, err error) {
	b.mu.Lock()
	news, open := b.news, b.open
	b.news = false
	b.mu.Unlock()
	switch {
	case news && open:
		stream.Tell(ctx, "breaker opened", b.name, err)
	case news:
		stream.Tell(ctx, "breaker closed", b.name, nil)
	}
}

// inDoubt waits until other calls show whether the dependency or the element caused err. It returns
// nil if the element is to be retried, and err if the policies are to decide.
func (b *breaker) inDoubt(ctx context.Context, err error) error {
	b.mu.Lock()
	since := b.calls
	b.doubts++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.doubts--
		b.mu.Unlock()
	}()
	timer := time.NewTicker(breakerDoubt)
	defer timer.Stop()
	for alone := false; ; {
		b.mu.Lock()
		open, alive, idle := b.open, b.good > since, b.inFlight == 0
		heard, turned := b.heard, b.turned
		b.mu.Unlock()
		switch {
		case open:
			return b.untilProbe(ctx)
		case alive:
			return err
		case alone && idle:
			return nil
		}
		select {
		case <-heard:
		case <-turned:
		case <-timer.C:
			alone = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// untilProbe waits until the breaker is closed or the element is the next probe.
func (b *breaker) untilProbe(ctx context.Context) error {
	for {
		b.mu.Lock()
		open, turned := b.open, b.turned
		b.mu.Unlock()
		if !open {
			return nil
		}
		select {
		case b.probing <- struct{}{}:
			probe := b.untilNext(ctx, turned)
			<-b.probing
			if probe {
				return nil
			}
		case <-turned:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// untilNext waits until it is time for a probe. It returns false if the breaker closes first.
func (b *breaker) untilNext(ctx context.Context, turned <-chan struct{}) bool {
	b.mu.Lock()
	timer := time.NewTimer(time.Until(b.next))
	b.mu.Unlock()
	defer timer.Stop()
	select {
	case <-timer.C:
		b.mu.Lock()
		b.later()
		b.mu.Unlock()
		return true
	case <-turned:
	case <-ctx.Done():
	}
	return false
}

// Unavailable reports whether an error means that a server could not be reached or did not answer:
// a failed connection, an unknown host name, a truncated answer, a timeout, or a database that
// starts, stops or has lost the connection, by its SQLState() (08…, 57P01 to 57P03). Use it with
// Breaker, alone or combined with the errors of your service.
func Unavailable(err error) bool { return outage.Is(err) }

package ops

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/laneway-go/laneway/internal/outage"
	"github.com/laneway-go/laneway/stream"
)

// Breaker is a circuit breaker around a dependency: a database, a service. Every step that is
// given the same Breaker shares it, in whatever pipeline. While the dependency is away, the
// elements of these steps wait without a worker, one call a second finds out whether it is back,
// and no attempt is used up: nothing is retried, dead-lettered or halted for an outage.
//
//	bank := ops.Breaker("bank", ops.Unavailable)
//	…	MapConcurrent(64, charge, stream.Use(bank), stream.Timeout(3*time.Second)).
//
// outage says which errors mean that the dependency is away, whatever the element; Unavailable is
// one such func. Other errors, and those marked stream.Permanent, pass as if there were no
// breaker.
//
// Five such errors in a row open it. An error before that waits for what becomes of the others:
// where a call that began after it succeeds, the dependency is there, and the error is its
// element's own, for the policies. Where nobody else calls, the element itself is tried again,
// after 100 ms: alone, it cannot be told from an outage, so let outage match no error that one
// bad element causes. Open, the next call after a second, or a little more, is a probe, of
// another element each time; one that succeeds closes it and wakes all. A probe may take as long
// as the step's Timeout: keep that within a few seconds.
//
// Changes are told as stream.StepEvent ("breaker opened", "breaker closed"), elements that wait
// as stream.Postponed, stream.Snapshot.Postponed and the metric laneway_postponed. Costs some
// hundred nanoseconds a call. With no outage it is nil, which Build refuses.
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

var errNoVerdict = errors.New("the call says nothing of the dependency")

// breaker gives gobreaker, which counts and decides, waits and a voice.
type breaker struct {
	name    string
	outage  func(error) bool
	state   *gobreaker.TwoStepCircuitBreaker[struct{}] // its lock comes before mu
	probing chan struct{}                              // room for one: who is next to probe

	mu       sync.Mutex // guards what follows; nothing is called under it
	calls    int64      // that have begun
	inFlight int64
	good     int64         // the latest call that succeeded
	doubts   int           // elements that wait for such a call
	heard    chan struct{} // closed, and replaced, when good changes and somebody is in doubt
	open     bool          // or half-open
	turned   chan struct{} // closed, and replaced, when open changes
	news     bool          // open has changed, and nobody has told
	next     time.Time     // no probe before
}

func (b *breaker) around(next stream.Handler) stream.Handler {
	return func(ctx context.Context, c stream.Call) error {
		done, err := b.state.Allow()
		if err != nil {
			return stream.Postpone(fmt.Errorf("the breaker %s is open [LW443]", b.name), b.untilProbe)
		}
		n, verdict := b.begin(), errNoVerdict // which stays where next panics
		defer func() {
			b.end(n, verdict)
			done(verdict)
			b.tell(ctx, err)
		}()
		err = next(ctx, c)
		switch {
		case errors.Is(ctx.Err(), context.Canceled): // by the runtime
			return err
		case err == nil || stream.IsPermanent(err) || !b.outage(err):
			verdict = nil
			return err
		}
		verdict = err
		return stream.Postpone(err, func(ctx context.Context) error { return b.inDoubt(ctx, err) })
	}
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

// changed is gobreaker's word that its state is another.
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

// later has the next probe wait. The caller holds mu.
func (b *breaker) later() { b.next = time.Now().Add(breakerProbes + rand.N(breakerProbes/10)) }

// tell has the observers hear that the breaker has opened or closed.
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

// inDoubt waits until it shows whether err is the dependency's or the element's: it returns nil
// where the element is to be tried again, and else err.
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

// untilProbe waits until the breaker is closed, or the element is to be the next probe.
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

// untilNext waits until it is time for a probe; false: the breaker closes first.
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

// Unavailable reports whether an error says that what was called could not be reached or did not
// answer: a connection that failed, a name that was not found, an answer cut short, a timeout, and
// by its SQLState() a database that starts, stops or has lost the connection (08…, 57P01 to 57P03).
// For Breaker, and to be combined with what a service's own errors say.
func Unavailable(err error) bool { return outage.Is(err) }

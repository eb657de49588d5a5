package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// demo places orders, lets a worker charge them, mends what halts it, and checks the result.
func demo(ctx context.Context, s *screen, orders int) error {
	kafka, err := connect(ctx)
	if err != nil {
		return err
	}
	defer kafka.close()
	records, err := makeOrders(kafka.topic, orders)
	if err != nil {
		return err
	}
	if err := kafka.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("%s: placing orders in %s: %w", kafka.name, kafka.topic, err)
	}
	s.say("%s: %d orders of %d customers placed in the %d partitions of %s", kafka.name, orders, customers, partitions, kafka.topic)

	r := &report{bank: newBank(orders), poison: records[orders/10-1], placed: map[int]int{}}
	for _, rec := range records {
		r.placed[int(rec.Partition)]++
	}
	halted := make(chan struct{}, 1) // never closed
	p, err := worker(kafka.config(), r.bank.charge).Build(
		stream.DrainTimeout(time.Second), // the default, 25 s, is made for Kubernetes
		stream.MaxInFlight(256, 64<<20),  // a few of each partition at a time, so that all are seen side by side
		stream.Observe(stream.Observer{Event: s.hear}, stream.Observer{Event: func(e stream.Event) {
			if _, ok := e.(stream.Halted); ok {
				select {
				case halted <- struct{}{}:
				default:
				}
			}
		}}))
	if err != nil {
		return err
	}
	s.say("\n%v", p.Describe())

	running, stop := context.WithCancel(ctx)
	defer stop()
	watching, rest := context.WithCancel(ctx)
	defer rest()
	ended := make(chan error, 1) // never closed
	var wg conc.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ended <- p.Run(running) })
	wg.Go(func() { s.watch(watching, p, r.bank, orders) })
	unfinished := r.operate(ctx, p, s, halted, ended)
	stop()
	err = <-ended
	rest()
	if err = errors.Join(unfinished, err); err != nil {
		s.say("")
		return err
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if r.committed, r.ends, err = kafka.offsets(asking); err != nil {
		return err
	}
	wg.Wait()
	return r.print(s)
}

// operate does what the one does who is called when a partition halts: look, mend, resume.
func (r *report) operate(ctx context.Context, p *stream.Pipeline, s *screen, halted <-chan struct{}, ended chan error) error {
	wait := func(what string, ch <-chan struct{}) error {
		select {
		case <-ch:
			return nil
		case err := <-ended:
			ended <- nil // for whoever waits for the end
			return fmt.Errorf("the pipeline ended before %s: %w", what, err)
		case <-ctx.Done():
			return fmt.Errorf("stopped when %d orders were charged, before %s: %w", r.bank.count(), what, context.Cause(ctx))
		}
	}
	if err := wait("its halt", halted); err != nil {
		return err
	}
	if err := wait("the other partitions were through", r.bank.allBut(int(r.poison.Partition), r.placed)); err != nil {
		return err
	}
	r.halts, r.meanwhile = p.Halts(), r.bank.count()
	for _, h := range r.halts {
		s.say("  Halts()  %v", h)
	}
	r.bank.mend()
	s.say("  mended   the bank's new version knows the currency")
	for _, h := range r.halts {
		if err := p.Resume(h); err != nil {
			return err
		}
	}
	return wait("everything was charged", r.bank.allBut(-1, r.placed))
}

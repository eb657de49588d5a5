package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/console"
	"github.com/laneway-go/laneway/stream"
)

// run places orders, has a worker charge them, fixes what halts it, and checks the result.
func run(ctx context.Context, d *demo.Demo, orders int) error {
	records, err := makeOrders(orders)
	if err != nil {
		return err
	}
	if records, err = d.Seed(ctx, records...); err != nil {
		return err
	}
	r := &report{bank: newBank(orders), poison: records[orders/10-1], placed: map[int]int{}}
	for _, rec := range records {
		r.placed[rec.Partition]++
	}
	halted := make(chan struct{}, 1) // never closed
	p, err := worker(d.Kafka, r.bank.charge).Build(
		stream.DrainTimeout(time.Second), // the default, 25 s, is made for Kubernetes
		// few records of each partition at a time, so that all are seen side by side
		stream.MaxInFlight(256),
		d.Telemetry(),
		stream.Observe(stream.Observer{Event: d.Hear}, stream.Observer{Event: func(e stream.Event) {
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
	d.Say("\n%v", p.Describe())

	watching, rest := context.WithCancel(ctx)
	through := make(chan struct{})
	var wg conc.WaitGroup
	defer wg.Wait()
	defer rest()
	wg.Go(func() { d.Watch(watching, func() string { return progress(p, r.bank.count(), orders) }) })
	var unfinished error
	wg.Go(func() {
		defer close(through)
		unfinished = r.operate(watching, p, d, halted)
	})
	run := p.Run
	if *onConsole {
		secret := rand.Text()
		d.Say("  console  http://127.0.0.1:7070, token %s", secret)
		run = stream.Supervise(p).Admin(admin.At("", admin.Token("you", secret, admin.Operate), admin.Previews(nil), console.Page())).Run
	}
	err = d.RunUntil(ctx, through, run)
	rest()
	wg.Wait()
	if err = errors.Join(unfinished, err); err != nil {
		return err
	}
	if r.committed, r.ends, err = d.Offsets(ctx); err != nil {
		return err
	}
	r.check(d.Check)
	return errors.Join(d.Report(), r.print(d))
}

// operate acts as the operator on call when a partition halts: look, fix, resume. Its ctx ends with
// the pipeline.
func (r *report) operate(ctx context.Context, p *stream.Pipeline, d *demo.Demo, halted <-chan struct{}) error {
	wait := func(what string, ch <-chan struct{}) error {
		select {
		case <-ch:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("it ended when %d orders were charged, before %s: %w", r.bank.count(), what, context.Cause(ctx))
		}
	}
	if err := wait("its halt", halted); err != nil {
		return err
	}
	if err := wait("the other partitions were through", r.bank.allBut(r.poison.Partition, r.placed)); err != nil {
		return err
	}
	r.halts, r.meanwhile = p.Halts(), r.bank.count()
	for _, h := range r.halts {
		d.Say("  Halts()  %v", h)
	}
	r.bank.fix()
	d.Say("  fixed    the bank's new version knows the currency")
	if *onConsole {
		d.Say("  console  press Resume there")
		return nil
	}
	for _, h := range r.halts {
		if err := p.Resume(h); err != nil {
			return err
		}
	}
	return wait("everything was charged", r.bank.allBut(-1, r.placed))
}

func progress(p *stream.Pipeline, done, all int) string {
	const width = 20
	n := width * done / all
	snap := p.Snapshot()
	inFlight, halted := 0, 0
	for _, part := range snap.Partitions {
		inFlight += part.InFlight
		if part.Halt != nil {
			halted++
		}
	}
	return fmt.Sprintf("  %s%s %5d of %d charged · %d in flight · %d waiting · %d of %d halted",
		strings.Repeat("█", n), strings.Repeat("░", width-n), done, all, inFlight, snap.Retrying, halted, len(snap.Partitions))
}

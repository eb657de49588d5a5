package main

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

const (
	records = 3000
	kills   = 4
)

var kafkaTransaction = demo.Program{Name: "orders", Partitions: 4, Run: run, Work: work}

// run kills a worker in the middle of its work several times, and has the last one do the rest.
func run(ctx context.Context, d *demo.Demo) error {
	seeded, err := d.Seed(ctx, demo.Numbered(records, 60)...)
	if err != nil {
		return err
	}
	invoices, err := d.NewTopic(ctx, "invoices", 3)
	if err != nil {
		return err
	}
	if d.Forever {
		if _, err := d.Start("worker", invoices); err != nil {
			return err
		}
		return d.RunUntil(ctx, nil, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}
	for n := range kills {
		p, err := d.Start(fmt.Sprintf("worker %d", n+1), invoices)
		if err != nil {
			return err
		}
		for range 5 {
			if _, err := p.Await(ctx, `^committed`); err != nil {
				return err
			}
		}
		if err := p.Signal(os.Kill); err != nil {
			return err
		}
		if _, err := p.Wait(ctx); err != nil {
			return err
		}
		committed, _, err := d.Offsets(ctx)
		if err != nil {
			return err
		}
		d.Say("kill -9; committed: %v", committed)
	}
	last, err := d.Start("worker 5", invoices)
	if err != nil {
		return err
	}
	if err := d.AwaitCommitted(ctx); err != nil {
		return err
	}
	if err := last.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := last.Wait(ctx); err != nil {
		return err
	}
	made, err := d.ReadBack(ctx, invoices)
	if err != nil {
		return err
	}
	type place struct {
		partition int
		offset    int64
	}
	times, latest := map[place]int{}, map[string]int64{}
	twice, late, missing := 0, 0, 0
	for _, m := range made {
		var at place
		if _, err := fmt.Sscan(string(m.Value), &at.partition, &at.offset); err != nil {
			return fmt.Errorf("%q was written: %w", m.Value, err)
		}
		if times[at]++; times[at] == 2 {
			twice++
		}
		if before, ok := latest[string(m.Key)]; ok && at.offset < before {
			late++
		}
		latest[string(m.Key)] = at.offset
	}
	for _, m := range seeded {
		if times[place{m.Partition, m.Offset}] == 0 {
			missing++
		}
	}
	d.Check("exactly once", twice == 0 && missing == 0, "of %d invoices after %d crashes, %d are missing and %d duplicated", len(seeded), kills, missing, twice)
	d.Check("in order", late == 0, "each key's, but for %d", late)
	return d.CheckCommitted(ctx)
}

package main

import (
	"context"
	"os"
	"strconv"
	"syscall"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

const (
	partitions = 4
	records    = 800
	killAt     = 200 // started records
)

var atMostOnce = demo.Program{Name: "at-most-once", Partitions: partitions, Run: run, Work: work}

// run kills a worker in the middle of its work, and has a second one do the rest.
func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.Seed(ctx, demo.Numbered(records, 0)...); err != nil {
		return err
	}
	if d.Forever {
		if _, err := d.Start("worker"); err != nil {
			return err
		}
		return d.RunUntil(ctx, nil, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}
	first, err := d.Start("first ", "stuck")
	if err != nil {
		return err
	}
	for range killAt + partitions {
		if _, err := first.Await(ctx, `^handles`); err != nil {
			return err
		}
	}
	// Records waiting behind the ones in flight are committed, too. Their number depends on where
	// CommitBefore's wait ended a batch: a commit frees the room of all its records under
	// MaxInFlight at once.
	err = d.AwaitOffsets(ctx, func(committed, _ map[int]int64) bool {
		all := int64(0)
		for _, offset := range committed {
			all += offset
		}
		return all > killAt+partitions
	})
	if err != nil {
		return err
	}
	if err := first.Signal(os.Kill); err != nil {
		return err
	}
	if _, err := first.Wait(ctx); err != nil {
		return err
	}
	committed, _, err := d.Offsets(ctx)
	if err != nil {
		return err
	}
	d.Say("kill -9; committed: %v", committed)
	second, err := d.Start("second")
	if err != nil {
		return err
	}
	if err := d.AwaitCommitted(ctx); err != nil {
		return err
	}
	// its drain finishes committed records
	if err := second.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := second.Wait(ctx); err != nil {
		return err
	}

	before, after := handled(first), handled(second)
	ahead, repeated, lost := 0, 0, records
	for place, times := range before {
		if place.offset >= committed[place.partition] {
			ahead++
		}
		repeated += times - 1
		lost--
	}
	for place, times := range after {
		repeated += times - 1
		if before[place] > 0 {
			repeated++
		} else {
			lost--
		}
	}
	d.Check("committed first", ahead == 0, "of the %d records that the killed worker had started, %d were not committed", len(before), ahead)
	d.Check("not twice", repeated == 0, "%d of the %d that the second one handled had been started before", repeated, len(after))
	d.Check("lost", lost > 0 && lost <= partitions*maxInFlight, "%d of %d were committed and lost with the first: %d at most", lost, records, partitions*maxInFlight)
	return d.CheckCommitted(ctx)
}

type place struct {
	partition int
	offset    int64
}

// handled returns how often a worker has started each record.
func handled(p *demo.Process) map[place]int {
	times := map[place]int{}
	for _, m := range p.Said(`^handles (\d+) (\d+)`) {
		partition, _ := strconv.Atoi(m[1])
		offset, _ := strconv.ParseInt(m[2], 10, 64)
		times[place{partition, offset}]++
	}
	return times
}

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

const partitions = 4

var graceful = demo.Program{Name: "graceful", Partitions: partitions, Run: run, Work: work}

// run stops a worker in the middle of its work, and has a second one do the rest.
func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.Seed(ctx, demo.Numbered(2000, 0)...); err != nil {
		return err
	}
	if d.Forever {
		if _, err := d.Start("worker"); err != nil {
			return err
		}
		return d.RunUntil(ctx, nil, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}
	first, err := d.Start("first ", "slow")
	if err != nil {
		return err
	}
	at, err := first.Await(ctx, `serves +(http://\S+)`)
	if err != nil {
		return err
	}
	if err := demo.AwaitStatus(ctx, at[1]+"/readyz", 200); err != nil {
		return err
	}
	inFlight := map[int]int64{} // the offset of the record in flight, by partition
	for range partitions {
		place, err := first.Await(ctx, `slow +partition (\d+) offset (\d+)`)
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(place[1])
		inFlight[n], _ = strconv.ParseInt(place[2], 10, 64)
	}
	live, err := demo.Status(ctx, at[1]+"/livez")
	if err != nil {
		return err
	}
	d.Say("\nSIGTERM with %d records in flight; /livez is %d", len(inFlight), live)
	if err := first.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	began := time.Now()
	if err := demo.AwaitStatus(ctx, at[1]+"/readyz", 503); err != nil {
		return err
	}
	took := time.Since(began)
	d.Check("not ready", took < 10*time.Second, "/readyz was 503 after %v, with the %d still in flight", took.Round(time.Millisecond), len(inFlight))
	if live, err = demo.Status(ctx, at[1]+"/livez"); err != nil {
		return err
	}
	d.Check("alive", live == 200, "/livez was %d in the drain", live)
	if err := first.Tell("go on"); err != nil {
		return err
	}
	code, err := first.Wait(ctx)
	if err != nil {
		return err
	}
	d.Check("exit code", code == 0, "%d", code)
	return rest(ctx, d, first, inFlight)
}

// rest starts the second worker and compares the records of both with the committed offsets.
func rest(ctx context.Context, d *demo.Demo, first *demo.Process, inFlight map[int]int64) error {
	committed, _, err := d.Offsets(ctx)
	if err != nil {
		return err
	}
	d.Say("\na second worker continues")
	second, err := d.Start("second")
	if err != nil {
		return err
	}
	if err := d.AwaitCommitted(ctx); err != nil {
		return err
	}
	if err := second.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := second.Wait(ctx); err != nil {
		return err
	}
	_, ends, err := d.Offsets(ctx)
	if err != nil {
		return err
	}
	before, after := handled(first), handled(second)
	finished, nothingMore, exactly := true, true, true
	for n := range partitions {
		finished = finished && committed[n] == inFlight[n]+1
		nothingMore = nothingMore && before[n] == demo.Stretch{From: 0, To: inFlight[n]}
		exactly = exactly && after[n] == demo.Stretch{From: committed[n], To: ends[n] - 1}
	}
	d.Check("finished", finished, "records in flight were finished and committed: %v", committed)
	d.Check("no more", nothingMore, "no record was started after the signal: %v", before)
	d.Check("the rest", exactly, "the second worker handled exactly the rest: %v", after)
	return d.CheckCommitted(ctx)
}

// handled returns the offsets that a worker has handled, by partition: one stretch of each, without
// repetition.
func handled(p *demo.Process) map[int]demo.Stretch {
	by := map[int]demo.Stretch{}
	for _, m := range p.Said(`handled +partition (\d+): (\d+) records \[(\d+)…(\d+)\]`) {
		var n, records int
		var s demo.Stretch
		_, err := fmt.Sscan(strings.Join(m[1:], " "), &n, &records, &s.From, &s.To)
		if err == nil && s.To-s.From+1 == int64(records) {
			by[n] = s
		}
	}
	return by
}

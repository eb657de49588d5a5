package main

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

const (
	partitions   = 4
	partToFix    = 1
	poisonToFix  = 20
	partToSkip   = 2
	poisonToSkip = 30
	end          = 100 // of each partition
)

var haltPartition = demo.Program{Name: "halt", Partitions: partitions, Run: run, Work: work}

// run halts two partitions, kills the worker, and finishes both partitions with another one.
func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.SeedInOneTrace(ctx, demo.Numbered(partitions*end, 0)...); err != nil {
		return err
	}
	first, err := d.Start("first ")
	if err != nil {
		return err
	}
	if d.Forever {
		return d.RunUntil(ctx, nil, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}
	before, err := halted(ctx, d, first)
	if err != nil {
		return err
	}
	d.Check("halted", before[partToFix] == poisonToFix && before[partToSkip] == poisonToSkip,
		"partitions %d and %d wait at their records %d and %d, with nothing committed past them", partToFix, partToSkip, before[partToFix], before[partToSkip])
	d.Check("others", before[0] == end && before[3] == end, "the other partitions finished: committed %v", before)

	d.Say("\nkill -9")
	if err := first.Signal(os.Kill); err != nil {
		return err
	}
	if _, err := first.Wait(ctx); err != nil {
		return err
	}
	second, err := d.Start("second")
	if err != nil {
		return err
	}
	again, err := halted(ctx, d, second)
	if err != nil {
		return err
	}
	d.Check("restarted", fmt.Sprint(again) == fmt.Sprint(before), "the next worker halts at the same records: committed %v", again)
	return operated(ctx, d, second)
}

// halted waits until both partitions are halted and the others are finished, and returns the
// committed offsets.
func halted(ctx context.Context, d *demo.Demo, p *demo.Process) (map[int]int64, error) {
	at, err := p.Await(ctx, `serves +(http://\S+)`)
	if err != nil {
		return nil, err
	}
	for range 2 {
		if _, err := p.Await(ctx, `halted +handle: `); err != nil {
			return nil, err
		}
	}
	err = d.AwaitOffsets(ctx, func(committed, _ map[int]int64) bool { return committed[0] == end && committed[3] == end })
	if err != nil {
		return nil, err
	}
	ready, err := demo.Status(ctx, at[1]+"/readyz")
	if err != nil {
		return nil, err
	}
	live, err := demo.Status(ctx, at[1]+"/livez")
	if err != nil {
		return nil, err
	}
	d.Check("not dead", ready == 200 && live == 200, "/readyz was %d, /livez %d", ready, live)
	committed, _, err := d.Offsets(ctx)
	return committed, err
}

// operated ends both halts.
func operated(ctx context.Context, d *demo.Demo, p *demo.Process) error {
	d.Say("")
	for partition, what := range map[int]string{partToFix: "resume", partToSkip: "skip"} {
		if err := p.Tell(fmt.Sprint(what, " ", partition)); err != nil {
			return err
		}
	}
	if err := d.AwaitCommitted(ctx); err != nil {
		return err
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	did := map[string]string{}
	for _, m := range p.Said(`handled +partition (\d): (.*)`) {
		did[m[1]] = m[2]
	}
	resumed, skipped := did[fmt.Sprint(partToFix)], did[fmt.Sprint(partToSkip)]
	d.Check("resumed", resumed == fmt.Sprintf("%d records [%d…%d]", end-poisonToFix, poisonToFix, end-1), "after the fix, partition %d continued from its record: %s", partToFix, resumed)
	d.Check("skipped", skipped == fmt.Sprintf("%d records [%d…%d]", end-poisonToSkip-1, poisonToSkip+1, end-1), "partition %d continued after its record: %s", partToSkip, skipped)
	d.Check("not twice", did["0"] == "0 records []" && did["3"] == "0 records []", "the second worker had nothing to do in the others")
	d.Check("exit code", code == 0, "%d", code)
	return d.CheckCommitted(ctx)
}

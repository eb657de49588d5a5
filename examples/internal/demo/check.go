package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"text/tabwriter"
	"time"
)

// check is one thing that was promised.
type check struct {
	name string
	ok   bool
	says string
}

// Check notes that something that the chain promises holds, or does not, in which case the example
// fails. All are printed by Report.
func (d *Demo) Check(name string, ok bool, format string, args ...any) {
	d.checks = append(d.checks, check{name, ok, fmt.Sprintf(format, args...)})
}

// CheckCommitted checks that the broker has the offsets behind everything that was seeded.
func (d *Demo) CheckCommitted(ctx context.Context) error {
	committed, ends, err := d.Offsets(ctx)
	if err != nil {
		return err
	}
	var lag int64
	for n, end := range ends {
		lag += end - committed[n]
	}
	d.Check("committed", lag == 0, "read back from the broker: lag %d", lag)
	return nil
}

// AwaitCommitted returns when the broker has the offsets behind everything that was seeded.
func (d *Demo) AwaitCommitted(ctx context.Context) error {
	return d.AwaitOffsets(ctx, maps.Equal[map[int]int64, map[int]int64])
}

// AwaitOffsets asks the broker until what is committed, by partition, and where the topic ends is
// as it should be.
func (d *Demo) AwaitOffsets(ctx context.Context, enough func(committed, ends map[int]int64) bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		committed, ends, err := d.Offsets(ctx)
		if err == nil && enough(committed, ends) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("committed is %v of %v: %w", committed, ends, context.Cause(ctx)))
		}
	}
}

// Offsets returns, by partition, what the group has committed (none: 0) and where the topic ends,
// as the broker says.
func (d *Demo) Offsets(ctx context.Context) (committed, ends map[int]int64, err error) {
	// a run that was stopped tells how far it came
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return d.broker.offsets(ctx, d.Kafka.Group, d.Topic())
}

// Report prints the checks; the error names what does not hold. It is called when Run is through,
// so an example that wants to print more behind them calls it before. A run that is kept going
// checks nothing.
func (d *Demo) Report() error {
	checks := d.checks
	d.checks = nil
	if d.Forever || len(checks) == 0 {
		return nil
	}
	var broken []string
	d.Say("")
	table := d.Table()
	for _, c := range checks {
		mark := "ok"
		if !c.ok {
			mark = "WRONG"
			broken = append(broken, c.name)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", mark, c.name, c.says)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if len(broken) > 0 {
		return errors.New("what the chain promises does not hold: " + strings.Join(broken, ", "))
	}
	return nil
}

// Table writes columns, separated by tabs, once it is flushed.
func (d *Demo) Table() *tabwriter.Writer { return tabwriter.NewWriter(d.screen, 0, 0, 2, ' ', 0) }

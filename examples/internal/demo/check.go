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

// check is one promise.
type check struct {
	name string
	ok   bool
	says string
}

// Check notes whether a promise of the chain holds. The example fails if one does not. Report
// prints all.
func (d *Demo) Check(name string, ok bool, format string, args ...any) {
	d.checks = append(d.checks, check{name, ok, fmt.Sprintf(format, args...)})
}

// CheckCommitted checks that every seeded record is committed at the broker.
func (d *Demo) CheckCommitted(ctx context.Context) error {
	lag, err := d.Lag(ctx)
	if err != nil {
		return err
	}
	d.Check("committed", lag == 0, "read back from the broker: lag %d", lag)
	return nil
}

// AwaitCommitted waits until every seeded record is committed at the broker.
func (d *Demo) AwaitCommitted(ctx context.Context) error {
	return d.AwaitOffsets(ctx, maps.Equal[map[int]int64, map[int]int64])
}

// AwaitOffsets polls the broker until enough accepts the committed offsets and the ends of the
// topic, both by partition.
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
			return errors.Join(err, fmt.Errorf("committed %v of %v: %w", committed, ends, context.Cause(ctx)))
		}
	}
}

// Offsets returns the group's committed offsets (0 for none) and the ends of the topic, both by
// partition, as read from the broker.
func (d *Demo) Offsets(ctx context.Context) (committed, ends map[int]int64, err error) {
	// a stopped run still reports how far it came
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return d.broker.offsets(ctx, d.Kafka.Group, d.Topic())
}

// Report prints the checks. Its error names those that failed. It is called after Run, so an
// example that prints more after the checks calls it earlier. With -forever nothing is checked.
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
		return errors.New("promises that do not hold: " + strings.Join(broken, ", "))
	}
	return nil
}

// Table returns a writer for columns, separated by tabs. It prints them when flushed.
func (d *Demo) Table() *tabwriter.Writer { return tabwriter.NewWriter(d.screen, 0, 0, 2, ' ', 0) }

// Lag returns how many records of the topic are not committed, as read from the broker.
func (d *Demo) Lag(ctx context.Context) (lag int64, err error) {
	committed, ends, err := d.Offsets(ctx)
	for n, end := range ends {
		lag += end - committed[n]
	}
	return lag, err
}

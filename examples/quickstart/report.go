package main

import (
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/stream"
)

// report is the result of a run.
type report struct {
	bank      *bank
	poison    kafka.Message
	placed    map[int]int // orders by partition
	halts     []stream.Halt
	meanwhile int // orders charged while a partition was halted, and before
	committed map[int]int64
	ends      map[int]int64
}

// check adds each promise and whether it holds.
func (r *report) check(note func(name string, ok bool, format string, args ...any)) {
	b := r.bank
	b.mu.Lock()
	defer b.mu.Unlock()
	all, twice, again := 0, 0, 0
	for _, n := range r.placed {
		all += n
	}
	for _, n := range b.charged {
		if n > 1 {
			twice++
		}
	}
	for id := range b.flaky {
		if b.failed[id] > 0 && b.charged[id] > 0 {
			again++
		}
	}
	place := demo.Place(r.poison)
	var lag int64
	for part := range r.placed {
		lag += r.ends[part] - r.committed[part]
	}
	order := fmt.Sprintf("each of %d customers' orders were charged one after another, as placed", len(b.last))
	if len(b.outOfOrder) > 0 {
		order = fmt.Sprintf("%d were charged out of order: %s", len(b.outOfOrder), b.outOfOrder[0])
	}
	halted := len(r.halts) == 1 && r.halts[0].Meta.String() == place
	note("records", len(b.charged) == all && twice == 0, "%d of %d orders were charged, %d of them twice", len(b.charged), all, twice)
	note("order", len(b.outOfOrder) == 0, "%s", order)
	note("retried", again == len(b.flaky), "%d of %d orders that failed once were charged when tried again", again, len(b.flaky))
	note("halted", halted && b.failed[b.poison] == 1,
		"%s failed for good and froze its partition; the others continued until %d were charged", place, r.meanwhile)
	note("resumed", b.charged[b.poison] == 1, "when the cause was fixed, %s was charged and its partition continued", place)
	note("committed", len(r.ends) == partitions && lag == 0, "read back from the broker: lag %d", lag)
}

// print writes a table of the partitions.
func (r *report) print(d *demo.Demo) error {
	d.Say("")
	table := d.Table()
	fmt.Fprintf(table, "  partition\trecords\tcommitted\tlag\n")
	for n := range partitions {
		fmt.Fprintf(table, "  %d\t%d\t%d\t%d\n", n, r.placed[n], r.committed[n], r.ends[n]-r.committed[n])
	}
	return table.Flush()
}

package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/stream"
)

// report is what came of it.
type report struct {
	bank      *bank
	poison    *kgo.Record
	placed    map[int]int // orders by partition
	halts     []stream.Halt
	meanwhile int // orders charged while a partition was halted, and before
	committed map[int]int64
	ends      map[int]int64
}

// check is one thing that was promised.
type check struct {
	name string
	ok   bool
	says string
}

func (r *report) checks() []check {
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
	place := fmt.Sprintf("%s[%d]@%d", r.poison.Topic, r.poison.Partition, r.poison.Offset)
	var lag int64
	for part := range r.placed {
		lag += r.ends[part] - r.committed[part]
	}
	order := fmt.Sprintf("each of %d customers' orders were charged one after another, as placed", len(b.last))
	if len(b.outOfOrder) > 0 {
		order = fmt.Sprintf("%d were charged out of order: %s", len(b.outOfOrder), b.outOfOrder[0])
	}
	halted := len(r.halts) == 1 && r.halts[0].Meta.String() == place
	return []check{
		{"records", len(b.charged) == all && twice == 0, fmt.Sprintf("%d of %d orders were charged, %d of them twice", len(b.charged), all, twice)},
		{"order", len(b.outOfOrder) == 0, order},
		{"retried", again == len(b.flaky), fmt.Sprintf("%d of %d orders that failed once were charged when tried again", again, len(b.flaky))},
		{"halted", halted && b.failed[b.poison] == 3,
			fmt.Sprintf("%s failed %d times and froze its partition; the others went on until %d were charged", place, b.failed[b.poison], r.meanwhile)},
		{"resumed", b.charged[b.poison] == 1, fmt.Sprintf("when the cause was mended, %s was charged and its partition went on", place)},
		{"committed", len(r.ends) == partitions && lag == 0, fmt.Sprintf("read back from the broker: lag %d", lag)},
	}
}

// print says what was checked; the error names what does not hold.
func (r *report) print(s *screen) error {
	var broken []string
	s.say("")
	table := table(s)
	for _, c := range r.checks() {
		mark := "ok"
		if !c.ok {
			mark = "WRONG"
			broken = append(broken, c.name)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", mark, c.name, c.says)
	}
	fmt.Fprintf(table, "\n  partition\trecords\tcommitted\tlag\n")
	for n := range partitions {
		fmt.Fprintf(table, "  %d\t%d\t%d\t%d\n", n, r.placed[n], r.committed[n], r.ends[n]-r.committed[n])
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if len(broken) > 0 {
		return errors.New("what the chain promises does not hold: " + strings.Join(broken, ", "))
	}
	return nil
}

func table(s *screen) *tabwriter.Writer { return tabwriter.NewWriter(s, 0, 0, 2, ' ', 0) }

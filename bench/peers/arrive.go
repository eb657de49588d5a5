package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

// arrive produces records at a fixed rate and writes the latency of each peer.
func (r run) arrive(ctx context.Context, c *cluster, out io.Writer, w work) error {
	if c.capacity == 0 {
		if err := (run{rounds: 1}).do(ctx, c, io.Discard, waiting(r.records/100)); err != nil {
			return err
		}
	}
	a := arrivals{c: c, w: w, keys: testbed.Named(w.keys), rate: w.load * c.capacity, warm: r.warm, during: r.during}
	rows, err := r.turns(w, func(p peer) (outcome, error) { return a.measure(ctx, p) })
	if err != nil {
		return err
	}
	latencies(out, a, rows)
	return nil
}

// slowest returns the throughput of the slowest peer in records per second.
func slowest(w work, rows []row) (rate float64) {
	for _, r := range rows {
		var walls []float64
		for _, o := range r.outcomes {
			if o != nil {
				walls = append(walls, o.wall.Seconds())
			}
		}
		if len(walls) == 0 {
			continue
		}
		if n := float64(w.records) / median(walls); rate == 0 || n < rate {
			rate = n
		}
	}
	return rate
}

// arrivals are records at a fixed rate. Latency counts from the intended send time of a record,
// even if the producer is late.
type arrivals struct {
	c    *cluster
	w    work
	keys *testbed.Sequence
	rate float64 // a second

	warm, during time.Duration
}

func (a arrivals) count(d time.Duration) int { return int(a.rate * d.Seconds()) }

// measure starts a peer on an empty topic and feeds it.
func (a arrivals) measure(ctx context.Context, p peer) (outcome, error) {
	topic, _, err := a.c.topic(ctx, work{keys: a.w.keys})
	if err != nil {
		return outcome{}, err
	}
	defer a.c.delete(topic)
	n := len(testbed.Keys) + a.count(a.warm) + a.count(a.during)
	j := a.w.task(a.c, p, topic, make([]int64, testbed.Partitions), a.keys.Ends(n))
	return a.c.measure(ctx, j, func(ctx context.Context, t *turn) error { return a.feed(ctx, t, n) })
}

// feed sends one round of keys, waits until the peer has handled the first record, and sends the
// rest at the rate.
func (a arrivals) feed(ctx context.Context, t *turn, n int) error {
	failed := make(chan error, 1)
	send := func(i int, due time.Time) {
		value := make([]byte, a.w.size)
		if !due.IsZero() {
			setDue(value, due)
		}
		r := a.keys.Record(i, value)
		r.Topic = t.job.Topic
		a.c.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- fmt.Errorf("producing at a rate: %w", err):
				default:
				}
			}
		})
	}
	next := 0
	for ; next < len(testbed.Keys); next++ {
		send(next, time.Time{})
	}
	if _, ok := t.until(patience/2, first); !ok {
		return fmt.Errorf("%s handled nothing within %v", t.job.Peer, patience/2)
	}
	began, from := time.Now(), next
	measured := began.Add(a.warm)
	for next < n && ctx.Err() == nil {
		due := began.Add(time.Duration(float64(next-from) / a.rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(max(wait, time.Millisecond)) // records due by then are sent together
			continue
		}
		if due.Before(measured) {
			due = time.Time{}
		}
		send(next, due)
		next++
	}
	if err := a.c.client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// percentiles are the columns of the table.
var percentiles = []float64{50, 90, 99, 99.9, 100}

// at returns a percentile of ascending microseconds, in milliseconds.
func at(micros []int32, percent float64) float64 {
	if len(micros) == 0 {
		return 0
	}
	i := int(percent / 100 * float64(len(micros)))
	return float64(micros[min(i, len(micros)-1)]) / 1000
}

// latencies writes the table of a work with records at a fixed rate.
func latencies(out io.Writer, a arrivals, rows []row) {
	fmt.Fprintf(out, "\n**%s**: %s records a second arrive for %v, which is %.0f %% of what the slowest peer can do of W2, over 8 partitions: %s. "+
		"Milliseconds from when a record was to be sent to when it was handled; in brackets, against Laneway in the same round.\n\n",
		a.w.name, thousands(int(a.rate)), a.during, 100*a.w.load, a.w.title)
	fmt.Fprint(out, "| | median | 90 % | 99 % | 99.9 % | longest | CPU per record | out of order or repeated | lost |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range rows {
		cells := ""
		for _, percent := range percentiles {
			var ms, ratios []float64
			for i, o := range r.outcomes {
				if o != nil {
					ms = append(ms, at(o.late, percent))
					ratios = append(ratios, at(o.late, percent)/at(rows[0].outcomes[i].late, percent))
				}
			}
			if len(ms) > 0 {
				cells += fmt.Sprintf(" %.1f (%.2f) |", median(ms), median(ratios))
			}
		}
		var used []float64
		var disordered, lost int64
		for _, o := range r.outcomes {
			if o != nil {
				used = append(used, float64(o.used.Microseconds())/float64(len(testbed.Keys)+a.count(a.warm)+a.count(a.during)))
				disordered, lost = disordered+o.disordered, lost+o.lost
			}
		}
		if len(used) == 0 {
			fmt.Fprintf(out, "| %s | | | | | | | | |\n", r.title(a.w))
			continue
		}
		fmt.Fprintf(out, "| %s |%s %.2f µs | %d | %d |\n", r.title(a.w), cells, median(used), disordered, lost)
	}
}

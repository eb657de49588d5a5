package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

const partitions = 4

var graceful = demo.Program{Name: "graceful", Partitions: partitions, Run: run, Work: work}

// run stops a worker in the middle of its work, and lets a second one do the rest.
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
	if err := awaitStatus(ctx, at[1]+"/readyz", 200); err != nil {
		return err
	}
	inFlight := map[int]int64{} // the offset in work, by partition
	for range partitions {
		place, err := first.Await(ctx, `slow +partition (\d+) offset (\d+)`)
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(place[1])
		inFlight[n], _ = strconv.ParseInt(place[2], 10, 64)
	}
	live, err := status(ctx, at[1]+"/livez")
	if err != nil {
		return err
	}
	d.Say("\nSIGTERM, with %d records in work; /livez said %d", len(inFlight), live)
	if err := first.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	began := time.Now()
	if err := awaitStatus(ctx, at[1]+"/readyz", 503); err != nil {
		return err
	}
	took := time.Since(began)
	d.Check("not ready", took < time.Second, "/readyz was 503 after %v, with the %d still in work", took.Round(time.Millisecond), len(inFlight))
	if live, err = status(ctx, at[1]+"/livez"); err != nil {
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

// rest starts the second worker and compares what the two have handled with what the broker says is committed.
func rest(ctx context.Context, d *demo.Demo, first *demo.Process, inFlight map[int]int64) error {
	committed, _, err := d.Offsets(ctx)
	if err != nil {
		return err
	}
	d.Say("\na second worker goes on")
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
		nothingMore = nothingMore && before[n] == stretch{0, inFlight[n]}
		exactly = exactly && after[n] == stretch{committed[n], ends[n] - 1}
	}
	d.Check("finished", finished, "what was in work was finished and committed: %v", committed)
	d.Check("no more", nothingMore, "nothing was begun after it: %v", before)
	d.Check("the rest", exactly, "the second worker handled exactly what was left: %v", after)
	return d.CheckCommitted(ctx)
}

// stretch is the offsets that a worker has handled of a partition, each once and one after another.
type stretch struct{ from, to int64 }

func (s stretch) String() string { return fmt.Sprintf("%d…%d", s.from, s.to) }

// handled is what a worker said that it has handled, by partition.
func handled(p *demo.Process) map[int]stretch {
	by := map[int]stretch{}
	for _, m := range p.Said(`handled +partition (\d+) from (\d+) to (\d+), (\d+) records`) {
		var n, records int
		var s stretch
		_, err := fmt.Sscan(m[1]+" "+m[2]+" "+m[3]+" "+m[4], &n, &s.from, &s.to, &records)
		if err == nil && s.to-s.from+1 == int64(records) {
			by[n] = s
		}
	}
	return by
}

func status(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // as probes do
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// awaitStatus asks as a probe does, only more often.
func awaitStatus(ctx context.Context, url string, want int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := status(ctx, url)
		if err != nil || got == want {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is %d, not %d: %w", url, got, want, context.Cause(ctx))
		}
	}
}

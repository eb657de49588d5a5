package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

// role in the environment makes a process a peer at work.
const role = "LANEWAY_BENCH_PEER"

// What a peer's process tells, in this order.
const (
	first = "first" // it has handled its first record
	all   = "all"   // … every record, and was asked to stop
	stuck = "stuck" // … nothing for a while, and was asked to stop
	left  = "left"  // it has committed and left its group
	ended = "ended" // its report
)

// event is a line of a peer's process.
type event struct {
	What   string
	At     time.Time
	Report *report `json:",omitempty"`
}

// report is what a peer's process has to say at its end.
type report struct {
	Handled                    []int64    // different records, by partition
	Seen                       [][]uint32 // which, a bit for each from job.From on
	Attempts, Broken, Repeated int64
	PeakKiB                    int
	Err                        string
}

// quiet is how long a poisoned peer may make no progress before it is taken for stuck.
const quiet = 2 * time.Second

// serve does a peer's work, if this process was started for that, and reports whether it did. The job is the first line of the standard input, and the end
// of that input is the end of the process, whatever it is doing then.
func serve() bool {
	if os.Getenv(role) == "" {
		return false
	}
	in := json.NewDecoder(os.Stdin)
	var j job
	if err := in.Decode(&j); err != nil {
		fmt.Fprintln(os.Stderr, "peers: a peer was started without a job:", err)
		os.Exit(1)
	}
	var mu sync.Mutex // guards the standard output
	tell := func(what string, r *report) {
		mu.Lock()
		defer mu.Unlock()
		if err := json.NewEncoder(os.Stdout).Encode(event{what, time.Now(), r}); err != nil {
			os.Exit(1) // nobody listens
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	g := newJudge(j, len(testbed.Keys), func() { tell(first, nil) }, func() { tell(all, nil); stop() })

	var failed error
	consumed := make(chan struct{})
	var wg conc.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		r := &report{Handled: g.handled(), Seen: g.seen(), Attempts: g.attempts.Load(), Broken: g.broken.Load(), Repeated: g.repeated.Load(), PeakKiB: peak()}
		select {
		case <-consumed:
			if failed != nil {
				r.Err = failed.Error()
			}
		default:
		}
		tell(ended, r)
		os.Exit(0)
	})
	if j.Poison != nil {
		wg.Go(func() {
			if g.untilQuiet(ctx) {
				tell(stuck, nil)
				stop()
			}
		})
	}
	i := slices.IndexFunc(peers, func(p peer) bool { return p.name == j.Peer })
	failed = peers[i].consume(ctx, j, g.handle)
	close(consumed)
	tell(left, nil)
	wg.Wait()
	return true
}

// untilQuiet waits until nothing has been handled for a while since the poison was first met.
func (g *judge) untilQuiet(ctx context.Context) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var before []int64
	since := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
		now := g.handled()
		if !slices.Equal(now, before) || g.attempts.Load() == 0 {
			before, since = now, time.Now()
		}
		if time.Since(since) > quiet {
			return true
		}
	}
}

// peak is the most memory that this process has held, in KiB; 0 where there is no /proc.
func peak() (kib int) {
	status, _ := os.ReadFile("/proc/self/status")
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		_, _ = fmt.Sscan(after, &kib)
	}
	return kib
}

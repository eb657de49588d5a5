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
)

// role in the environment makes this process a peer.
const role = "LANEWAY_BENCH_PEER"

// The events of a peer's process, in this order.
const (
	first = "first" // it handled its first record
	all   = "all"   // it handled every record, and was asked to stop
	stuck = "stuck" // it handled nothing for a while, and was asked to stop
	left  = "left"  // it committed and left its group
	ended = "ended" // its report
)

// event is a line from a peer's process.
type event struct {
	What   string
	At     time.Time
	Report *report `json:",omitempty"`
}

// report is the result of a peer's process.
type report struct {
	Missing    int64 // unhandled records
	Disordered int64 // handled out of order; without an audit also handled again
	Repeated   int64
	Attempts   int64      // at the failing record
	Seen       [][]uint32 // audit: the handled records, by partition, a bit each from job.From on
	Late       []int32    // paced: the latency of each record, in microseconds
	PeakKiB    int
	Err        string
}

// serve runs a peer if this process was started for one, and reports whether it did. The job is the
// first line of standard input, and the process ends when that input ends.
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
			os.Exit(1) // the parent is gone
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	handle, reported, poisoned := handlerOf(j, func() { tell(first, nil) }, func() { tell(all, nil); stop() })

	var failed error
	consumed := make(chan struct{})
	var wg conc.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		r := reported()
		r.PeakKiB = peak()
		select {
		case <-consumed:
			if failed != nil {
				r.Err = failed.Error()
			}
		default:
		}
		tell(ended, &r)
		os.Exit(0)
	})
	if poisoned != nil {
		wg.Go(func() {
			if poisoned.untilQuiet(ctx.Done()) {
				tell(stuck, nil)
				stop()
			}
		})
	}
	i := slices.IndexFunc(peers, func(p peer) bool { return p.name == j.Peer })
	failed = peers[i].consume(ctx, j, handle)
	close(consumed)
	tell(left, nil)
	wg.Wait()
	return true
}

// handlerOf returns the handler of a job and its report, and the audit if the job has a failing
// record.
func handlerOf(j job, first, all func()) (handler, func() report, *audit) {
	if !j.Audit {
		g := newJudge(j, first, all)
		return g.handle, g.report, nil
	}
	a := newAudit(j, first, all)
	if j.Poison == nil {
		return a.handle, a.report, nil
	}
	return a.handle, a.report, a
}

// peak returns the most memory that this process has held, in KiB, or 0 without /proc.
func peak() (kib int) {
	status, _ := os.ReadFile("/proc/self/status")
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		_, _ = fmt.Sscan(after, &kib)
	}
	return kib
}

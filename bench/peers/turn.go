package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/sourcegraph/conc"
)

// patience bounds a turn. It is much longer than the slowest peer takes.
const patience = 3 * time.Minute

// turn is one peer's process, seen from the parent.
type turn struct {
	job    job
	began  time.Time
	cmd    *exec.Cmd
	in     io.WriteCloser
	events chan event // closed when the process has no more events
	told   map[string]time.Time
	gone   bool // it has no more events
	wg     conc.WaitGroup
}

func start(ctx context.Context, j job) (*turn, error) {
	cmd, err := command(ctx, j)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	t := &turn{job: j, began: time.Now(), cmd: cmd, events: make(chan event), told: map[string]time.Time{}}
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	t.wg.Go(func() {
		defer close(t.events)
		for d := json.NewDecoder(out); ; {
			var e event
			if d.Decode(&e) != nil {
				return
			}
			t.events <- e
		}
	})
	return t, json.NewEncoder(t.in).Encode(j)
}

// command returns the command of a peer's process: this program again, unless the peer is another
// program.
func command(ctx context.Context, j job) (*exec.Cmd, error) {
	i := slices.IndexFunc(peers, func(p peer) bool { return p.name == j.Peer })
	if peers[i].command != nil {
		return peers[i].command(ctx, j)
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), role+"=1")
	return cmd, nil
}

// until waits for one of the events, within d.
func (t *turn) until(d time.Duration, what ...string) (event, bool) {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		select {
		case e, ok := <-t.events:
			if t.gone = !ok; ok {
				t.told[e.What] = e.At
			}
			if !ok || slices.Contains(what, e.What) {
				return e, ok
			}
		case <-late.C:
			return event{}, false
		}
	}
}

// end ends the process and returns its report.
func (t *turn) end() (report, error) {
	t.in.Close()
	e, ok := t.until(patience, ended)
	for range t.events { // to its end
	}
	t.wg.Wait()
	err := t.cmd.Wait()
	if !ok {
		return report{}, errors.Join(fmt.Errorf("%s ended without a report", t.job.Peer), err)
	}
	if e.Report.Err != "" {
		err = errors.Join(fmt.Errorf("%s: %s", t.job.Peer, e.Report.Err), err)
	}
	return *e.Report, err
}

// outcome is the result of a turn.
type outcome struct {
	joined     time.Duration // from the start of its process to the first handled record
	ending     time.Duration // from the last handled record to the last committed offset
	wall, used time.Duration
	peakMiB    float64
	handled    [][]uint32 // audited: the handled records, a bit for each from job.From on
	repeated   int64      // audited
	disordered int64      // without an audit also the repeated ones
	lost       int64      // committed without being handled
	late       []int32    // paced: microseconds, in ascending order
}

// measure runs a job with a peer, from the first handled record to the last committed offset. feed
// produces the records during that; nil if they are stored already.
func (c *cluster) measure(ctx context.Context, j job, feed func(ctx context.Context, t *turn) error) (o outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t, err := start(ctx, j)
	if err != nil {
		return o, err
	}
	if feed != nil {
		err = feed(ctx, t)
	}
	var committed time.Time
	if err == nil {
		committed, err = c.untilCommitted(ctx, t)
	}
	r, failed := t.end()
	if err := errors.Join(err, failed); err != nil {
		return o, err
	}
	o.joined = t.told[first].Sub(t.began)
	o.ending = committed.Sub(t.told[all])
	o.wall = committed.Sub(t.told[first])
	o.used = t.cmd.ProcessState.UserTime() + t.cmd.ProcessState.SystemTime()
	o.peakMiB = float64(r.PeakKiB) / 1024
	o.handled, o.disordered, o.repeated, o.lost = r.Seen, r.Disordered, r.Repeated, r.Missing
	slices.Sort(r.Late)
	o.late = r.Late
	return o, nil
}

// untilCommitted waits until everything is committed, and returns when that was. It polls slowly
// while records are handled, and fast once all are. A peer that has committed everything but
// handled less gets another second; then the missing records are lost.
func (c *cluster) untilCommitted(ctx context.Context, t *turn) (at time.Time, err error) {
	pause := 500 * time.Millisecond
	for {
		if _, ok := t.until(pause, all, left); ok {
			pause = time.Millisecond
		}
		offsets, at, err := c.committed(ctx, t.job.Group, t.job.Topic)
		if err != nil {
			return at, err
		}
		if slices.Equal(offsets, t.job.To) {
			if t.told[all].IsZero() {
				t.until(time.Second, all)
			}
			return at, nil
		}
		if t.gone || !t.told[left].IsZero() {
			return at, fmt.Errorf("%s has ended with %v committed of %v", t.job.Peer, offsets, t.job.To)
		}
	}
}

package main

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

const (
	partitions = 4
	records    = 4000
	keys       = 100 // of which ten wait
	ready      = records * 9 / 10
)

var resume = demo.Program{Name: "resume", Partitions: partitions, Run: run, Work: work}

// run ends four workers while records wait, and has a fifth one finish.
func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.Seed(ctx, demo.Numbered(records, keys)...); err != nil {
		return err
	}
	if d.Forever {
		if _, err := d.Start("worker"); err != nil {
			return err
		}
		return d.RunUntil(ctx, nil, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}
	var lives []*life
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Kill, syscall.SIGTERM, os.Kill} {
		l, err := live(ctx, d, len(lives), signal)
		if err != nil {
			return err
		}
		lives = append(lives, l)
	}
	last, err := d.Start("worker 5")
	if err != nil {
		return err
	}
	if err := d.AwaitCommitted(ctx); err != nil {
		return err
	}
	if err := last.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := last.Wait(ctx); err != nil {
		return err
	}
	lives = append(lives, lived(last))
	return check(ctx, d, lives)
}

// live has a worker do about a fifth of what does not wait, and ends it.
func live(ctx context.Context, d *demo.Demo, n int, signal os.Signal) (*life, error) {
	p, err := d.Start("worker "+strconv.Itoa(n+1), "away")
	if err != nil {
		return nil, err
	}
	for range ready/10 + rand.IntN(ready/10) {
		if _, err := p.Await(ctx, `^finishes`); err != nil {
			return nil, err
		}
	}
	if err := p.Signal(signal); err != nil {
		return nil, err
	}
	code, err := p.Wait(ctx)
	if err != nil {
		return nil, err
	}
	l := lived(p)
	l.killed = signal == os.Kill
	d.Say("%v: exit code %d; %d records finished, %d waited for a retry", signal, code, len(l.finished), l.waiting)
	return l, nil
}

func check(ctx context.Context, d *demo.Demo, lives []*life) error {
	done := map[place]bool{}
	drained, crashed, bound, waiting := 0, 0, 0, 0
	for n, l := range lives {
		repeated := 0
		for at := range l.finished {
			done[at] = true
			for _, later := range lives[n+1:] {
				if later.started[at] {
					repeated++
					break
				}
			}
		}
		waiting += l.waiting
		if !l.killed {
			drained += repeated
			continue
		}
		crashed += repeated
		bound += keysAtATime + l.since
	}
	d.Check("waited", waiting > 0, "%d records waited for a retry when their worker ended", waiting)
	d.Check("drains", drained == 0, "SIGTERM: %d finished records were handled again", drained)
	d.Check("crashes", crashed <= bound, "kill -9: %d finished records were handled again, at most %d: what ran, and what had finished since the last commit", crashed, bound)
	d.Check("handled", len(done) == records, "%d of %d", len(done), records)
	return d.CheckCommitted(ctx)
}

type place struct {
	partition int
	offset    int64
}

// life is what a worker process did.
type life struct {
	started, finished map[place]bool
	waiting           int
	since             int // finished since the last commit
	killed            bool
}

// lived reads what a worker has printed. The last commit began after the one before was told, so
// that it has at least what had finished then.
func lived(p *demo.Process) *life {
	l := &life{started: map[place]bool{}, finished: map[place]bool{}}
	committed, before := 0, 0
	for _, m := range p.Said(`^(starts|finishes|waits|commits) ?(.*)`) {
		at := place{}
		if partition, offset, ok := strings.Cut(m[2], " "); ok {
			at.partition, _ = strconv.Atoi(partition)
			at.offset, _ = strconv.ParseInt(offset, 10, 64)
		}
		switch m[1] {
		case "starts":
			l.started[at] = true
		case "finishes":
			l.finished[at] = true
		case "waits":
			l.waiting++
		case "commits":
			committed, before = len(l.finished), committed
		}
	}
	l.since = len(l.finished) - before
	return l
}

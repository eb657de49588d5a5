package main

import (
	"context"
	"errors"
	"slices"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/stream"
)

const (
	partitions = 2
	records    = 1000
	keys       = 20
	before     = 10                    // records of the poison's key that come before it
	poisoned   = before*keys + 7       // the poison
	waiting    = records/keys - before // the poison and the records behind it
)

var parkKey = demo.Program{Name: "park", Partitions: partitions, Run: run}

// run parks a key, has the others finish, and releases it.
func run(ctx context.Context, d *demo.Demo) error {
	seeded, err := d.Seed(ctx, demo.Numbered(records, keys)...)
	if err != nil {
		return err
	}
	h := &handler{poison: seeded[poisoned], others: make(chan struct{})}
	h.left.Store(records - waiting)
	parked := make(chan stream.Halt, 1)
	hear := func(e stream.Event) {
		d.Hear(e)
		if e, ok := e.(stream.Halted); ok && !d.Forever {
			parked <- e.Halt
		}
	}
	observer, committed := d.AllCommitted()
	p, err := worker(d.Kafka, h.handle).Build(stream.Observe(observer, stream.Observer{Event: hear}), d.Telemetry())
	if err != nil {
		return err
	}
	d.Say("\n%v", p.Describe())
	if d.Forever {
		return d.RunUntil(ctx, nil, p.Run)
	}
	err = d.RunUntil(ctx, committed, func(ctx context.Context) error {
		var wg conc.WaitGroup
		operated := make(chan error, 1)
		wg.Go(func() { operated <- operate(ctx, d, p, h, parked) })
		err := p.Run(ctx)
		wg.Wait()
		return errors.Join(err, <-operated)
	})
	if err != nil {
		return err
	}
	d.Check("order", len(h.rec.OutOfOrder(demo.ByKey)) == 0, "no record overtook an earlier one of its key")
	d.Check("once", h.rec.Handled() == records && h.rec.Twice() == 0 && h.rec.Failed() == 1,
		"%d of %d records handled, %d of them twice", h.rec.Handled(), records, h.rec.Twice())
	return d.CheckCommitted(ctx)
}

// operate waits until only the parked key is left, looks at the worker, and releases the key.
func operate(ctx context.Context, d *demo.Demo, p *stream.Pipeline, h *handler, parked <-chan stream.Halt) error {
	halt, err := await(ctx, parked)
	if err != nil {
		return err
	}
	if _, err := await(ctx, h.others); err != nil {
		return err
	}
	its, other := h.poison.Partition, 1-h.poison.Partition
	err = d.AwaitOffsets(ctx, func(committed, ends map[int]int64) bool {
		return committed[its] == h.poison.Offset && committed[other] == ends[other]
	})
	if err != nil {
		return err
	}
	handled := h.rec.Offsets()[its]
	d.Check("parked", halt.Scope == stream.ScopeLane && halt.Meta.Offset == h.poison.Offset && string(halt.Meta.Key) == string(h.poison.Key),
		"%s waits at its record %d, with nothing committed past it", halt.Meta.Key, halt.Meta.Offset)
	d.Check("others", h.rec.Handled() == records-waiting && slices.Max(handled) > halt.Meta.Offset,
		"the other keys finished, in partition %d up to %d: %d records", its, slices.Max(handled), h.rec.Handled())
	d.Check("ready", p.Ready() == nil, "a park is no reason to stop a roll-out")
	d.Say("explained %v", p.Explain(halt.Meta.TopicPartition()))

	h.fixed.Store(true)
	return resume(ctx, d, p)
}

func await[T any](ctx context.Context, from <-chan T) (t T, err error) {
	select {
	case t = <-from:
		return t, nil
	case <-ctx.Done():
		return t, context.Cause(ctx)
	}
}

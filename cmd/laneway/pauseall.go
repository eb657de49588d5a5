package main

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// pausingAll is one request that pauses a pipeline at one replica.
type pausingAll struct {
	batch
	body adminapi.PauseAll
	late error // of partitions that have come to the replica since it was looked at
}

// beginsAll pauses all partitions that are not paused, with one request for each pipeline of a
// replica.
func (p *pause) beginsAll(views []view) (todo []change) {
	open := map[[2]string]*pausingAll{}
	for _, q := range partitions(views) {
		if q.paused() {
			continue
		}
		where := [2]string{q.view.At, q.pipeline}
		b := open[where]
		if b == nil {
			b = &pausingAll{batch: batch{pipeline: q.pipeline, noun: "partition"}, body: adminapi.PauseAll{Until: p.until(q.view)}}
			b.send = func(ctx context.Context) ([]outcome, error) { return b.pause(ctx, q) }
			open[where], p.sent = b, append(p.sent, b)
		}
		b.body.Partitions = append(b.body.Partitions, q.seen())
		c := pausing(q)
		c.make = b.next()
		todo = append(todo, c)
	}
	return todo
}

// pause sends the request to the replica of a partition.
func (b *pausingAll) pause(ctx context.Context, of owned) (all []outcome, _ error) {
	results, err := of.view.replica.PauseAll(ctx, of.pipeline, b.body)
	for i, r := range results {
		if i < b.of {
			all = append(all, outcome{adminapi.Done{Done: true, Text: r.Text}, r.Err()})
			continue
		}
		b.late = errors.Join(b.late, pausing(of).refused(place{r.Source, r.Topic, r.Partition}.String(), r.Err()))
	}
	return all, err
}

// late returns the errors of partitions that no request has named.
func (p *pause) late() (err error) {
	for _, b := range p.sent {
		err = errors.Join(err, b.late)
	}
	return err
}

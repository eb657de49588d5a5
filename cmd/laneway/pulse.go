package main

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// pulse looks at a fleet at intervals, for top.
type pulse struct {
	remote   *remote
	pipeline string
	before   map[flow]finished
}

// flow identifies an assignment of a partition, whose counts only rise.
type flow struct {
	at, pipeline string
	place        place
	epoch        int32
}

type finished struct {
	records int64
	at      time.Time
}

// beat is one look.
type beat struct {
	at        time.Time
	views     []view
	rates     map[flow]float64 // records finished in a second, since the look before
	explained []explained      // of the partition that was asked for
	err       error            // of the look as a whole; a view has its own
}

// look looks once, and explains the chosen partition, if any. It resolves names again, since
// replicas come and go.
func (p *pulse) look(ctx context.Context, of *place) (b beat) {
	b.at = time.Now()
	f, err := p.remote.find(ctx)
	if err != nil {
		b.err = err
		return b
	}
	defer f.Close()
	b.views, _ = look(ctx, f, p.pipeline) // the views show which replicas did not answer
	b.err = unknown(b.views, p.pipeline)
	b.rates = p.rates(b.views)
	if of != nil {
		b.explained, err = explain(ctx, b.views, []place{*of}, false)
		if err != nil {
			b.explained = append(b.explained, explained{Explanation: adminapi.Explanation{Source: of.source, Topic: of.topic, Partition: of.n, Text: err.Error()}})
		}
	}
	return b
}

func (p *pulse) rates(views []view) map[flow]float64 {
	now, rates := map[flow]finished{}, map[flow]float64{}
	for _, o := range partitions(views) {
		key, is := o.flow(), finished{o.Totals.Finished, o.view.now()}
		now[key] = is
		if was, known := p.before[key]; known && is.at.After(was.at) {
			rates[key] = float64(is.records-was.records) / is.at.Sub(was.at).Seconds()
		}
	}
	p.before = now
	return rates
}

func (o owned) flow() flow { return flow{o.view.At, o.pipeline, o.place(), o.Epoch} }

// summary describes the fleet in one line.
func (b beat) summary() string {
	if b.err != nil {
		return b.err.Error()
	}
	lag, inFlight, rate, halted, least := int64(0), 0, 0.0, len(halts(b.views)), ""
	all := partitions(b.views)
	for _, o := range all {
		inFlight += o.InFlight
		rate += b.rates[o.flow()]
		if o.Lag == nil {
			least = "≥"
		} else {
			lag += *o.Lag
		}
	}
	text := counted(len(b.views), "replica")
	if n := unanswered(b.views); n > 0 {
		text += fmt.Sprintf(" (%d silent)", n)
	}
	return fmt.Sprintf("%s, %s, lag %s%d, %d in flight, %.0f records/s, %s", text, counted(len(all), "partition"), least, lag, inFlight, rate, counted(halted, "halt"))
}

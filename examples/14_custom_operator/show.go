package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/stream"
)

const (
	orders = 500
	tardy  = 3 // orders whose payment comes after everything else was shipped
)

// dock is where sales are shipped.
type dock struct {
	mu      sync.Mutex     // guards the fields below
	shipped map[int]int    // how often, by order
	records map[string]int // how often each belonged to a shipment
	unpaid  int
	most    chan struct{} // closed once all but the tardy ones are shipped
	all     chan struct{} // closed once all are
}

func (k *dock) ship(ctx context.Context, s Sale) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shipped[s.Order]++; k.shipped[s.Order] > 1 {
		return nil // shipped already: it was repeated
	}
	if s.Cents != 100+s.Order {
		k.unpaid++
	}
	for m := range stream.MetasOf(ctx) { // both records of the sale
		k.records[m.String()]++
	}
	switch len(k.shipped) {
	case orders - tardy:
		close(k.most)
	case orders:
		close(k.all)
	}
	return nil
}

func run(ctx context.Context, d *demo.Demo) error {
	var events []Event
	for order := range orders {
		events = append(events, Event{Kind: "ordered", Order: order}, Event{Kind: "paid", Order: order, Cents: 100 + order})
	}
	payments := events[:0:0]
	for order := range tardy {
		payments = append(payments, events[2*order+1])
		events[2*order+1] = Event{Kind: "looked at", Order: order}
	}
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	first, err := d.Seed(ctx, records(events)...)
	if err != nil {
		return err
	}
	unpaid := map[int]int64{} // the first order of each partition that waits for its payment
	for _, m := range first {
		var e Event
		if err := json.Unmarshal(m.Value, &e); err != nil {
			return err
		}
		if _, is := unpaid[m.Partition]; e.Kind == "ordered" && e.Order < tardy && !is {
			unpaid[m.Partition] = m.Offset
		}
	}

	k := &dock{shipped: map[int]int{}, records: map[string]int{}, most: make(chan struct{}), all: make(chan struct{})}
	p, err := worker(d.Kafka, k.ship).Build(stream.Observe(stream.Observer{Event: d.Hear}), d.Telemetry())
	if err != nil {
		return err
	}
	d.Say("\n%v", p.Describe())
	var late error
	ended := make(chan struct{})
	var wg conc.WaitGroup
	wg.Go(func() {
		select {
		case <-k.most:
			late = payLate(ctx, d, unpaid, records(payments))
		case <-ended:
		}
	})
	err = d.RunUntil(ctx, k.all, p.Run)
	close(ended)
	wg.Wait()
	if err = errors.Join(err, late); err != nil {
		return err
	}

	twice := 0
	for _, times := range k.records {
		if times > 1 {
			twice++
		}
	}
	d.Check("shipped", len(k.shipped) == orders && k.unpaid == 0, "%d of %d orders, each with its payment", len(k.shipped), orders)
	d.Check("accounted", len(k.records) == 2*orders && twice == 0, "%d records belong to them, %d of them twice", len(k.records), twice)
	return d.CheckCommitted(ctx)
}

// payLate checks that orders without a payment hold back the commits, then pays them.
func payLate(ctx context.Context, d *demo.Demo, unpaid map[int]int64, payments []kafka.Message) error {
	past := 0
	err := d.AwaitOffsets(ctx, func(committed, _ map[int]int64) bool {
		past = 0
		for partition, offset := range unpaid {
			if committed[partition] < offset {
				return false
			}
			if committed[partition] > offset {
				past++
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	d.Check("waited for", past == 0 && len(unpaid) > 0, "with %d shipped, the commits stopped at the orders without a payment, and %d went past one", orders-tardy, past)
	_, err = d.Seed(ctx, payments...)
	return err
}

func records(events []Event) (rs []kafka.Message) {
	for _, e := range events {
		value, err := json.Marshal(e)
		if err != nil {
			panic(err) // it has only numbers and a string
		}
		rs = append(rs, kafka.Message{Key: fmt.Append(nil, e.Order), Value: value})
	}
	return rs
}

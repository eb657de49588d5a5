package main

import (
	"bytes"
	"context"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

var deadLetter = demo.Program{Name: "payments", Partitions: 3, Run: run}

const (
	records = 100
	closed  = 10 // of them for the bank
	spoilt  = 1  // of them unreadable
)

func smudged(m kafka.Message) bool { return bytes.HasSuffix(m.Value, []byte("00")) }
func forBank(m kafka.Message) bool { return bytes.HasSuffix(m.Value, []byte("7")) }

func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.Seed(ctx, demo.Numbered(records, 20)...); err != nil {
		return err
	}
	dlq, err := d.NewTopic(ctx, "payments.dlq", 2)
	if err != nil {
		return err
	}
	h := &handler{}
	letters := sink.KafkaConfig{Brokers: d.Kafka.Brokers, Topic: dlq}
	if err := d.Run(ctx, worker(d.Kafka, h, letters)); err != nil || d.Forever {
		return err
	}
	dead, err := d.ReadBack(ctx, dlq)
	if err != nil {
		return err
	}
	told := 0
	for _, m := range dead {
		l, err := ops.LetterOf(m)
		if err == nil && l.Topic == d.Topic() && l.Step == "handle" && (l.Attempts == 3) == strings.HasSuffix(l.Error, "closed") && l.Group == d.Kafka.Group {
			told++
		}
	}
	if len(dead) > 0 {
		d.Say("\na letter, %q of %s:", dead[0].Value, dead[0].Key)
		for _, header := range dead[0].Headers {
			d.Say("  %-24s %s", header.Key, header.Value)
		}
	}
	d.Check("letters", len(dead) == closed+spoilt && told == len(dead), "%d of %d records failed, and %d say where, why, and after how many attempts", len(dead), records, told)

	h.open.Store(true)
	d.Say("\nthe bank has opened: its records are sent back")
	sent, err := sendBack(ctx, d, dlq)
	if err != nil {
		return err
	}
	d.Check("sent back", sent == closed, "%d, and the unreadable one stays", sent)
	if err := handleAgain(ctx, d, h, letters); err != nil {
		return err
	}
	d.Check("handled", h.rec.Handled() == records-spoilt && h.rec.Twice() == 0, "%d of %d in the end, none twice", h.rec.Handled(), records)
	return nil
}

// sendBack runs redrive until all letters are read and the records sent are committed.
func sendBack(ctx context.Context, d *demo.Demo, dlq string) (sent int, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var n atomic.Int64
	chain := redrive(source.KafkaConfig{Brokers: d.Kafka.Brokers, Group: d.NewGroup("redrive"), Topics: []string{dlq}},
		func(_ kafka.Message, l ops.Letter) bool {
			forTheBank := strings.Contains(l.Error, "bank")
			if forTheBank {
				n.Add(1)
			}
			return forTheBank
		})
	at := map[stream.TopicPartition]int64{}
	err = chain.Run(ctx, stream.Observe(stream.Observer{Event: func(e stream.Event) {
		h, ok := e.(stream.Committed)
		if !ok {
			return
		}
		maps.Copy(at, h.Offsets)
		var all int64
		for _, offset := range at {
			all += offset
		}
		if all == closed+spoilt {
			stop()
		}
	}}))
	return int(n.Load()), err
}

// handleAgain runs the worker until it has handled and committed the returned records.
func handleAgain(ctx context.Context, d *demo.Demo, h *handler, letters sink.KafkaConfig) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return worker(d.Kafka, h, letters).Run(ctx, stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if _, ok := e.(stream.Committed); ok && h.rec.Handled() == records-spoilt {
			stop()
		}
	}}))
}

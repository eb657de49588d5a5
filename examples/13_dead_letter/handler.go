package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

var (
	errBusy    = errors.New("the shop is busy")
	errUnknown = errors.New("the article is unknown")
)

// handler handles records. Some fail twice, some always.
type handler struct {
	rec demo.Recorder

	mu    sync.Mutex // guards tries
	tries map[string]int
}

func newHandler() *handler { return &handler{tries: map[string]int{}} }

func flaky(m kafka.Message) bool  { return m.Offset%40 == 3 }
func poison(m kafka.Message) bool { return m.Offset%100 == 57 }

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if err := demo.Pause(ctx, time.Millisecond); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries[demo.Place(m)]++
	switch {
	case poison(m):
		return errUnknown
	case flaky(m) && h.tries[demo.Place(m)] < 3:
		return errBusy
	}
	return nil
}

func (h *handler) check(ctx context.Context, d *demo.Demo, records []kafka.Message, letters *letterFile) error {
	kept, err := letters.read()
	if err != nil {
		return err
	}
	inFile := map[string]letter{}
	for _, l := range kept {
		inFile[l.Record] = l
	}
	tried, fixed, poisons, right := 0, 0, 0, 0
	for _, m := range records {
		place := demo.Place(m)
		switch {
		case poison(m):
			poisons++
			if inFile[place] == (letter{place, string(m.Key), string(m.Value), "handle", 4, errUnknown.Error()}) {
				right++
			}
		case flaky(m):
			tried++
			if h.tries[place] == 3 {
				fixed++
			}
		}
	}
	if len(kept) > 0 {
		d.Say("\n  one of the letters: %+v", kept[0])
	}
	outOfOrder := h.rec.OutOfOrder(demo.ByKey)
	d.Check("handled", h.rec.Handled() == len(records)-poisons && h.rec.Twice() == 0, "%d of %d records", h.rec.Handled(), len(records))
	d.Check("retried", tried > 0 && fixed == tried, "%d of the %d that failed twice were handled at the third attempt", fixed, tried)
	d.Check("letters", poisons > 0 && right == poisons && len(kept) == poisons, "the file has the %d that failed four times, each once", len(kept))
	d.Check("in order", len(outOfOrder) == 0, "each key's records one after another, retries too, but for %d", len(outOfOrder))
	return d.CheckCommitted(ctx)
}

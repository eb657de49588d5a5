package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestMain(m *testing.M) { demotest.Main(m, program) }

func TestBroker(t *testing.T) {
	demotest.Run(t, program, nil, `ok  charged    100 of 100`, `ok  committed  .* lag 0`)
}

var errBusy = errors.New("the bank is busy")

// The source is a log in memory. Finish marks its end, so Run returns once every order is charged
// and committed.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := orders("ann", 1, 2, 3)
		log.Finish()
		bank := newBank()
		if err := worker(source.KafkaConfig{}, bank.charge).Run(t.Context(), log.Source()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(bank.charged, []int{1, 2, 3}) {
			t.Errorf("charged: %v", bank.charged)
		}
		if log.Committed(0) != 3 {
			t.Errorf("committed: %d", log.Committed(0))
		}
	})
}

// In a synctest bubble time is virtual: two waits of a minute take no time.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := orders("ann", 1)
		log.Finish()
		bank := newBank()
		bank.fails[1] = []error{errBusy, errBusy}
		began := time.Now()
		if err := worker(source.KafkaConfig{}, bank.charge).Run(t.Context(), log.Source()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 2*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

// The test operates a running pipeline. Run is in a goroutine, and synctest.Wait returns once all
// goroutines wait.
func TestHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := orders("ann", 1, 2)
		log.Append(1, "bob", order(3))
		bank := newBank()
		bank.fails[1] = []error{stream.Permanent(errors.New("no such account"))}
		p, ended := start(t, log.Source(), bank)

		synctest.Wait()
		if !slices.Equal(bank.charged, []int{3}) {
			t.Errorf("charged: %v, want only bob's", bank.charged)
		}
		halts := p.Halts()
		if len(halts) != 1 || halts[0].Meta.Offset != 0 {
			t.Fatalf("halts: %v", halts)
		}
		if err := p.Resume(halts[0]); err != nil { // after the account was opened
			t.Fatal(err)
		}
		log.Finish()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(bank.charged, []int{3, 1, 2}) || log.Committed(0) != 2 {
			t.Errorf("charged: %v, committed: %d", bank.charged, log.Committed(0))
		}
	})
}

// A member is one process of the group. The test assigns and revokes its partitions.
func TestRebalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := orders("ann", 1, 2)
		bank := newBank()
		bank.wait = time.Second
		first, second := log.Member(), log.Member()
		start(t, first.Source(), bank)
		_, ended := start(t, second.Source(), bank)

		if err := first.Assign(0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the first order is being charged
		if err := first.Revoke(0, 0); err != nil {
			t.Fatal(err)
		}
		if log.Committed(0) != 1 {
			t.Errorf("committed: %d, want 1, since the started order was finished", log.Committed(0))
		}
		log.Finish()
		if err := second.Assign(0); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(bank.charged, []int{1, 2}) {
			t.Errorf("charged: %v", bank.charged)
		}
	})
}

// A crash repeats records that were finished but not committed, so charge must tolerate that.
func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := orders("ann", 1, 2)
		bank := newBank()
		member := log.Member()
		_, ended := start(t, member.Source(), bank)
		if err := member.Assign(0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // both are charged, and will be committed in a second
		member.Crash()
		if err := <-ended; !errors.Is(err, streamtest.ErrCrashed) {
			t.Fatal(err)
		}
		log.Finish()
		if err := worker(source.KafkaConfig{}, bank.charge).Run(t.Context(), log.Source()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(bank.charged, []int{1, 2, 1, 2}) {
			t.Errorf("charged: %v", bank.charged)
		}
	})
}

// orders returns a log of two partitions, with orders of one customer in the first.
func orders(customer string, ids ...int) *streamtest.Log[kafka.Message] {
	log := streamtest.Kafka("charges", 2)
	for _, id := range ids {
		log.Append(0, customer, order(id))
	}
	return log
}

func order(id int) kafka.Message {
	return kafka.Message{Value: fmt.Appendf(nil, `{"id": %d, "cents": 250}`, id)}
}

// start runs the worker until the test ends.
func start(t *testing.T, on stream.Option, bank *bank) (p *stream.Pipeline, ended <-chan error) {
	t.Helper()
	p, err := worker(source.KafkaConfig{}, bank.charge).Build(on)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result, returned := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(returned)
		result <- p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-returned
	})
	return p, result
}

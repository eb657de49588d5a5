package transact

import (
	"errors"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

func TestTransactionsRealKafka(t *testing.T) {
	w := newWorld(t, kafkatest.Real(t))
	flaking, lost := kafkatest.Flaky(nil, 15)
	tx := w.open(t, kafkatest.Name("tx"), flaking, nil)
	for i := range 60 {
		w.commit(t, tx, i*10, i*10+10)
	}
	t.Logf("%d answers were lost; transaction.version 2: %v", lost.Load(), tx.implicit)
	w.exactly(t, 600)
}

// Not on the fake, which gives a fenced producer its id back.
func TestFencingRealKafka(t *testing.T) {
	w := newWorld(t, kafkatest.Real(t))
	id := kafkatest.Name("tx")
	first := w.open(t, id, nil, nil)
	w.commit(t, first, 0, 10)
	second := w.open(t, id, nil, nil)
	var fenced *kafkaerr.FencedError
	if err := first.Commit(within(t, time.Minute), w.txn(10, 20)); !errors.As(err, &fenced) || fenced.ID != id {
		t.Error(err)
	}
	w.commit(t, second, 10, 20)
	w.exactly(t, 20)
}

func TestOpenRealKafka(t *testing.T) {
	w := newWorld(t, kafkatest.Real(t))
	id := kafkatest.Name("tx")
	crashed := w.open(t, id, nil, nil)
	w.commit(t, crashed, 0, 10)
	w.leaveOpen(t, crashed, 10, 20)
	next := w.open(t, id, nil, nil)
	w.commit(t, next, 10, 20)
	w.exactly(t, 20)
}

func TestTransactionTimeoutRealKafka(t *testing.T) {
	own := kafkatest.Own(t, "transaction.abort.timed.out.transaction.cleanup.interval.ms=200")
	for name, unique := range map[string]bool{"own id": false, "unique id": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, own.Brokers)
			tx := w.open(t, kafkatest.Name("tx"), nil, func(c *Config) { c.Timeout, c.Unique = time.Second, unique })
			w.commit(t, tx, 0, 10)
			w.leaveOpen(t, tx, 10, 20)
			for w.stored(t, tx) != 10 { // nothing is returned while the transaction is open
			}
			left := w.txn(10, 20)
			if err := tx.end(within(t, time.Minute), left.parts()); err == nil {
				t.Error("an aborted transaction was reported as committed")
			}
			w.commit(t, tx, 10, 20)
			w.exactly(t, 20)
		})
	}
}

func TestClusterCrashRealKafka(t *testing.T) {
	own := kafkatest.Own(t)
	w := newWorld(t, own.Brokers)
	tx := w.open(t, kafkatest.Name("tx"), nil, func(c *Config) { c.Produce.DeliveryTimeout, c.Timeout = time.Minute, 90*time.Second })
	n := 0
	proceed := func(until <-chan struct{}) {
		for {
			w.commit(t, tx, n, n+10)
			n += 10
			select {
			case <-until:
				return
			default:
			}
		}
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		own.Kill()
		own.Start()
	}()
	proceed(up)
	t.Log(n, "inputs")
	w.exactly(t, n)
}

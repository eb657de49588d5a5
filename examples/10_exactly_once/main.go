// Exactly_once books transfers in a database, each in one transaction with the offset of its
// record: whatever happens to the worker, none is lost and none is booked twice.
//
//	GOTOOLCHAIN=auto go run ./examples/10_exactly_once
//
// The program starts itself again as a worker process, kills it (kill -9) at random, starts
// another, and so on; the last one does the rest. Then the ledger, an SQLite file here, is compared
// with what was asked for.
//
// Order: each partition's. Speed: one partition at a time, one record per transaction; a larger
// size is as exact, and faster. Guarantee: exactly once for what is written with the transaction. A
// failure: the worker ends with nothing of it done; RetryOnError or HaltOnError below would govern
// it. Use it where the result belongs into a database, and twice would be wrong.
package main

import (
	"context"
	"database/sql"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, db *sql.DB, b *booker) stream.Stream[Transfer] {
	return source.Kafka(from).
		Map(ops.JSON[Transfer]). // kafka.Message → Transfer
		GroupByPartition().      // order: each partition's
		CommitWith(sink.SQL(db, b.transfer, sink.CreateTable()), 1, 0, stream.MaxPartitions(1))
}

// Transfer is a record's value, as JSON.
type Transfer struct {
	ID       int
	From, To int // accounts
	Cents    int64
}

// transfer books: what it does with tx comes about together with the offset of the record, or not
// at all.
func (b *booker) transfer(ctx context.Context, tx *sql.Tx, ts []Transfer) error {
	for _, t := range ts {
		if err := b.book(ctx, tx, t.ID, t.From, -t.Cents); err != nil {
			return err
		}
		if err := b.between(ctx, t, len(ts)); err != nil { // where most of the kills come
			return err
		}
		if err := b.book(ctx, tx, t.ID, t.To, t.Cents); err != nil {
			return err
		}
	}
	return nil
}

// work is the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	// whoever starts next with this name takes over at once, also after a crash
	d.Kafka.InstanceID = "worker-1"
	db, err := openLedger(d.Args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	p, err := worker(d.Kafka, db, &booker{d}).Build(stream.Observe(stream.Observer{Event: d.Hear}))
	if err != nil {
		return err
	}
	return stream.Supervise(p).Run(ctx)
}

func main() { exactlyOnce(3).Main() }

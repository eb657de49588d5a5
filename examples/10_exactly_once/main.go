// Exactly_once books transfers in a database, each in one transaction with the offset of its
// record. Whatever happens to the worker, none is lost and none is booked twice.
//
//	GOTOOLCHAIN=auto go run ./examples/10_exactly_once
//
// The program starts itself again as a worker process, kills it (kill -9) at random, starts
// another, and repeats that. The last one does the rest. Then it compares the ledger, an SQLite
// file, with the requested transfers.
//
// Order: each partition's. Speed: one partition at a time, one record per transaction; a larger
// size is as exact, and faster. Guarantee: exactly once for everything written in the transaction.
// A failure: the worker ends and the transaction leaves nothing; RetryOnError or HaltOnError below
// would handle it. Use it if the result belongs in a database and a duplicate would be wrong.
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

// transfer books a transfer. Everything done with tx is committed together with the offset of the
// record, or not at all.
func (b *booker) transfer(ctx context.Context, tx *sql.Tx, ts []Transfer) error {
	for _, t := range ts {
		if err := b.book(ctx, tx, t.ID, t.From, -t.Cents); err != nil {
			return err
		}
		if err := b.between(ctx, t, len(ts)); err != nil { // most of the kills hit here
			return err
		}
		if err := b.book(ctx, tx, t.ID, t.To, t.Cents); err != nil {
			return err
		}
	}
	return nil
}

// work runs in the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	// the next process with this name takes over at once, even after a crash
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

package sink_test

import (
	"context"
	"database/sql"
	"log"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

type Order struct {
	ID    int
	Cents int
}

// Orders are priced 64 at a time, each customer's in order, and each is written once, up to 500 in
// a transaction.
func ExampleSQL() {
	db, err := sql.Open("pgx", "postgres://billing@localhost/billing")
	if err != nil {
		log.Fatal(err)
	}
	write := func(ctx context.Context, tx *sql.Tx, orders []Order) error {
		for _, o := range orders {
			if _, err := tx.ExecContext(ctx, `INSERT INTO invoices (id, cents) VALUES ($1, $2)`, o.ID, o.Cents); err != nil {
				return err
			}
		}
		return nil
	}
	price := func(_ context.Context, o Order) (Order, error) { return o, nil }

	err = source.Kafka(source.KafkaConfig{Brokers: []string{"localhost:9092"}, Group: "billing", Topics: []string{"orders"}}).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, price).
		CommitWith(sink.SQL(db, write, sink.ForPipeline("billing"), sink.CreateTable()), 500, 100*time.Millisecond).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 10}). // the database is away for a while
		HaltOnError().                                     // or a result cannot be written
		Run(context.Background())
	if err != nil {
		log.Fatal(err)
	}
}

// Transform_count counts visits per minute, by the time in the record. It holds the visits of a
// minute until one of a later minute comes, or until it is asked to let go of them.
//
//	GOTOOLCHAIN=auto go run ./examples/27_transform_count
//
// A minute may have more visits than MaxInFlight lets in: none of them is finished before it is
// counted, and no more are read before some are finished. So the Transform receives from
// stream.FlushOf, and sends what it has counted so far when it is asked to. Every count is partial,
// and the database adds it to its minute. If each replaced the one before, 10,000 visits of a
// minute would come out as 1,808: as 4,096, then 4,096, then the rest. A Transform that does not
// listen would wait for ever.
//
// Order: each partition's. Speed: one goroutine counts. Guarantee: exactly once; a count is added
// in one transaction with the offsets of its visits, so that a crash adds none twice. A failure: a
// record that is no visit, or a database that is away, ends the worker. Use it for aggregates that
// can be put together from parts, such as counts, sums and maxima.
package main

import (
	"context"
	"database/sql"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, t *table) stream.Stream[Count] {
	return source.Kafka(from).
		Map(visit).
		Transform("count", count).
		CommitWith(sink.SQL(t.db, t.add, sink.CreateTable()), 100, 50*time.Millisecond)
}

// Visit is a record's value, as JSON, and the record's partition.
type Visit struct {
	At        time.Time
	Partition int `json:"-"`
}

// Count is a part of a minute's visits.
type Count struct {
	Minute time.Time
	Visits int
}

func visit(ctx context.Context, m kafka.Message) (Visit, error) {
	v, err := ops.JSON[Visit](ctx, m)
	v.Partition = m.Partition
	return v, err
}

// minute is what a count is of. Each partition has counts of its own, since CommitWith moves the
// offset of each by itself.
type minute struct {
	partition int
	start     time.Time
}

// count joins the visits of each minute into one element. It sends a minute when its partition has
// reached a later one, and all of them when it is asked to. A visit that comes late begins another
// count of its minute.
func count(ctx context.Context, in <-chan stream.Elem[Visit], out chan<- stream.Elem[Count]) error {
	held := map[minute][]stream.Elem[Visit]{}
	send := func(due func(minute) bool) {
		for m, visits := range held {
			if due(m) {
				out <- visits[0].Join(visits[1:]...).With(Count{m.start, len(visits)})
				delete(held, m)
			}
		}
	}
	all := func(minute) bool { return true }
	flush := stream.FlushOf(ctx)
	for {
		select {
		case e, ok := <-in:
			if !ok { // the worker drains
				send(all)
				return nil
			}
			m := minute{e.Value.Partition, e.Value.At.Truncate(time.Minute)}
			if len(held[m]) == 0 {
				send(func(o minute) bool { return o.partition == m.partition && o.start.Before(m.start) })
			}
			held[m] = append(held[m], e)
		case <-flush: // nothing more comes in before some of these are finished
			send(all)
		}
	}
}

// add adds counts to their minutes. What it does with tx is committed together with the offsets of
// the visits, or not at all.
func (t *table) add(ctx context.Context, tx *sql.Tx, counts []Count) error {
	for _, c := range counts {
		if _, err := tx.ExecContext(ctx, upsert, c.Minute.Format(time.RFC3339), c.Visits); err != nil {
			return err
		}
	}
	return nil
}

const upsert = `INSERT INTO visits (minute, visits) VALUES (?, ?)
	ON CONFLICT (minute) DO UPDATE SET visits = visits + excluded.visits, parts = parts + 1`

func main() { transformCount.Main() }

var transformCount = demo.Program{Name: "visits", Partitions: 2, Run: run}

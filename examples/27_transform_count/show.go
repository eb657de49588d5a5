package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/stream"
)

// table is where the counts are: an SQLite file.
type table struct{ db *sql.DB }

func openTable(ctx context.Context, dir string) (*table, error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, "visits.db"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer
	_, err = db.ExecContext(ctx, `CREATE TABLE visits (minute TEXT PRIMARY KEY, visits INTEGER, parts INTEGER DEFAULT 1)`)
	return &table{db}, err
}

// read returns the visits of each minute, and from how many parts they were added up at most.
func (t *table) read(ctx context.Context) (visits map[string]int, parts int, err error) {
	visits = map[string]int{}
	rows, err := t.db.QueryContext(ctx, `SELECT minute, visits, parts FROM visits`)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var minute string
		var n, of int
		if err := rows.Scan(&minute, &n, &of); err != nil {
			return nil, 0, err
		}
		visits[minute], parts = n, max(parts, of)
	}
	return visits, parts, rows.Err()
}

const (
	perMinute = 5000
	inFlight  = 1000 // of each partition
)

// visits are three minutes of records in the order of time, but for the first: it comes last.
func visits() (records []kafka.Message, want map[string]int) {
	start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	want = map[string]int{}
	for i := range 3 * perMinute {
		at := start.Add(time.Duration(i) * time.Minute / perMinute)
		records = append(records, kafka.Message{Value: fmt.Appendf(nil, `{"At":%q}`, at.Format(time.RFC3339Nano))})
		want[at.Truncate(time.Minute).Format(time.RFC3339)]++
	}
	return slices.Concat(records[1:], records[:1]), want
}

func run(ctx context.Context, d *demo.Demo) (err error) {
	dir, err := os.MkdirTemp("", "laneway-visits")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t, err := openTable(ctx, dir)
	if err != nil {
		return err
	}
	defer t.db.Close()
	records, want := visits()
	if _, err := d.Seed(ctx, records...); err != nil {
		return err
	}
	if err := runAll(ctx, d, worker(d.Kafka, t), len(records)); err != nil {
		return err
	}
	got, parts, err := t.read(ctx)
	if err != nil {
		return err
	}
	for _, minute := range slices.Sorted(maps.Keys(want)) {
		d.Check(minute, got[minute] == want[minute], "%d of %d visits", got[minute], want[minute])
	}
	d.Check("minutes", len(got) == len(want), "%d of %d", len(got), len(want))
	d.Check("in parts", parts > 2, "a minute was added up from %d counts: at most %d visits of a partition are in flight", parts, inFlight)
	return d.CheckCommitted(ctx)
}

// runAll drains the worker when all records have been read: the drain closes the input of the
// Transform, which then sends the last counts.
func runAll(ctx context.Context, d *demo.Demo, chain stream.Stream[Count], records int) error {
	read := make(chan struct{})
	var n atomic.Int64
	p, err := chain.Build(stream.MaxInFlight(inFlight), stream.DrainTimeout(5*time.Second), d.Telemetry(), stream.Observe(stream.Observer{
		Event: d.Hear,
		StepDone: func(_ context.Context, c stream.Call, _ error) {
			if c.Step() == "visit" && n.Add(1) == int64(records) {
				close(read)
			}
		},
	}))
	if err != nil {
		return err
	}
	d.Say("\n%v", p.Describe())
	return d.RunUntil(ctx, read, p.Run)
}

package sqltest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// One of nineteen rows violates a constraint. The partition halts at that row, with the rows before
// it stored. After one Skip, all other rows are stored.
func TestCulpritRow(t *testing.T) {
	const rows, bad = 19, 7
	each(t, func(t *testing.T, b *backend) {
		b.exec(`CREATE TABLE cents (value BIGINT NOT NULL CHECK (value >= 0))`)
		log := streamtest.NewLog[int64](topic, 1, nil)
		for i := range int64(rows) {
			if i == bad {
				i = -i
			}
			log.Append(0, "", i)
		}
		stored := func() (n int64) { return b.number(`SELECT COUNT(*) FROM cents`) }
		write := func(ctx context.Context, tx *sql.Tx, values []int64) error {
			for _, v := range values {
				if _, err := tx.ExecContext(ctx, `INSERT INTO cents (value) VALUES ($1)`, v); err != nil {
					return fmt.Errorf("storing cents: %w", err)
				}
			}
			return nil
		}
		halted, committed := make(chan stream.Halt, rows), make(chan int64, 10*rows)
		p, err := stream.From[int64](nil).
			CommitWith(sink.SQL(b.open(), write, sink.CreateTable()), 500, 10*time.Millisecond).
			RetryOnError(stream.RetryPolicy{MaxAttempts: 2, FirstWait: time.Millisecond}).
			HaltOnError().
			Build(log.Source(), stream.Observe(stream.Observer{Event: func(e stream.Event) {
				switch e := e.(type) {
				case stream.Halted:
					halted <- e.Halt
				case stream.Committed:
					committed <- e.Offsets[place(0)]
				}
			}}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()

		h := <-halted
		if h.Meta.Offset != bad || h.Last != bad || h.Value != int64(-bad) {
			t.Errorf("%v", h)
		}
		if n := stored(); n != bad {
			t.Errorf("%d rows stored before it, want %d", n, bad)
		}
		if err := p.Skip(h); err != nil {
			t.Error(err)
		}
		for <-committed < rows {
		}
		if n := stored(); n != rows-1 {
			t.Errorf("%d rows stored, want %d", n, rows-1)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(halted) > 0 {
			t.Errorf("it halted again: %v", <-halted)
		}
	})
}

func TestMissingTableIsNotARowsFault(t *testing.T) {
	each(t, func(t *testing.T, b *backend) {
		tx := open(t, sink.SQL(b.db, func(ctx context.Context, tx *sql.Tx, _ []result) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO nowhere (value) VALUES (1)`)
			return err
		}, sink.CreateTable()))
		if err := tx.Commit(t.Context(), txn(0, 0, 6)); !stream.IsWhole(err) {
			t.Errorf("%v counts as the fault of a row", err)
		}
	})
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

const (
	partitions = 4
	// transfers per life of the worker; a kill comes within the first half of them
	perLife = 60
)

// exactlyOnce is the example with that many kills.
func exactlyOnce(kills int) demo.Program {
	return demo.Program{Name: "exactly-once", Partitions: partitions, Work: work,
		Run: func(ctx context.Context, d *demo.Demo) error { return run(ctx, d, kills) }}
}

func run(ctx context.Context, d *demo.Demo, kills int) error {
	dir, err := os.MkdirTemp("", "laneway-ledger-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "ledger.db")
	db, err := openLedger(file)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := createLedger(ctx, db); err != nil {
		return fmt.Errorf("creating the ledger: %w", err)
	}
	asked := transfers((kills + 1) * perLife)
	records, err := asRecords(asked)
	if err != nil {
		return err
	}
	if _, err := d.Seed(ctx, records...); err != nil {
		return err
	}
	p, err := worker(d.Kafka, db, nil).Build() // to print it: the worker processes run it
	if err != nil {
		return err
	}
	d.Say("\n%v", p.Describe())
	if d.Forever {
		if _, err := d.Start("worker", file); err != nil {
			return err
		}
		return d.RunUntil(ctx, nil, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}

	var lives []*demo.Process
	for n := range kills {
		w, err := d.Start(fmt.Sprintf("worker %d", n+1), file)
		if err != nil {
			return err
		}
		lives = append(lives, w)
		if err := kill(ctx, w); err != nil {
			return err
		}
		b, err := read(ctx, db)
		if err != nil {
			return err
		}
		d.Say("  worker %d  kill -9 in transfer %d; %d of %d are booked", n+1, len(w.Said(`^started`)), len(b.times), len(asked))
	}
	w, err := d.Start(fmt.Sprintf("worker %d", kills+1), file)
	if err != nil {
		return err
	}
	if err := d.AwaitCommitted(ctx); err != nil {
		return err
	}
	if err := w.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := w.Wait(ctx)
	if err != nil {
		return err
	}
	d.Check("exit code", code == 0, "%d, of the last worker", code)
	b, err := read(ctx, db)
	if err != nil {
		return err
	}
	judge(d, asked, b, append(lives, w))
	return d.CheckCommitted(ctx)
}

// kill ends a worker at random, after some transfers.
func kill(ctx context.Context, w *demo.Process) error {
	for range 1 + rand.IntN(perLife/2) {
		if _, err := w.Await(ctx, `^started`); err != nil {
			return err
		}
	}
	if err := demo.Pause(ctx, rand.N(2*time.Millisecond)); err != nil {
		return err
	}
	if err := w.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_, err := w.Wait(ctx)
	return err
}

// transfers returns n transfers between random accounts.
func transfers(n int) []Transfer {
	ts := make([]Transfer, n)
	for i := range ts {
		from := rand.IntN(accounts)
		ts[i] = Transfer{ID: i + 1, From: from, To: (from + 1 + rand.IntN(accounts-1)) % accounts, Cents: 1 + rand.Int64N(100_00)}
	}
	return ts
}

func asRecords(ts []Transfer) ([]kafka.Message, error) {
	records := make([]kafka.Message, len(ts))
	for i, t := range ts {
		value, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		records[i].Value = value
	}
	return records, nil
}

// judge compares the ledger with the requested transfers.
func judge(d *demo.Demo, asked []Transfer, b books, lives []*demo.Process) {
	want, lost, twice := [accounts]int64{}, 0, 0
	for id := range want {
		want[id] = opening
	}
	for _, t := range asked {
		want[t.From] -= t.Cents
		want[t.To] += t.Cents
		switch n := b.times[t.ID]; {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	started, alone := 0, true
	for _, w := range lives {
		for _, m := range w.Said(`^started \d+ of (\d+)`) {
			started++
			alone = alone && m[1] == "1"
		}
	}
	d.Check("exact", lost == 0 && twice == 0 && len(b.half) == 0, "of %d transfers %d are lost, %d are booked twice, %d by half", len(asked), lost, twice, len(b.half))
	d.Check("balance", b.balance == want, "of each of %d accounts it is as requested, to the cent: %d", accounts, b.balance)
	d.Check("undone", started >= len(asked), "%d were cut off in the middle by kill -9, and started again", started-len(asked))
	d.Check("one by one", alone, "each was a transaction of its own")
}

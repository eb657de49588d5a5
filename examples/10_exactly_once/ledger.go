package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite"

	"github.com/laneway-go/laneway/examples/internal/demo"
)

const (
	accounts = 8
	opening  = 1_000_00 // initial cents of each account
)

// openLedger opens the database file. Commits do not wait for the disk. A killed process loses
// nothing that it has passed to the operating system, and a machine that loses the last commits
// also loses their offsets.
func openLedger(file string) (*sql.DB, error) {
	name := url.URL{Scheme: "file", Path: file, RawQuery: "_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)"}
	return sql.Open("sqlite", name.String())
}

// createLedger creates the tables. They allow a transfer to be booked twice, since the example must
// show that none is.
func createLedger(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `
		CREATE TABLE accounts (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL);
		CREATE TABLE bookings (transfer INTEGER NOT NULL, account INTEGER NOT NULL, cents INTEGER NOT NULL)`)
	for id := range accounts {
		if err == nil {
			_, err = db.ExecContext(ctx, `INSERT INTO accounts VALUES ($1, $2)`, id, opening)
		}
	}
	return err
}

// booker writes into the ledger. It tells the parent process when it is in the middle of a
// transfer.
type booker struct{ *demo.Demo }

func (b *booker) book(ctx context.Context, tx *sql.Tx, transfer, account int, cents int64) error {
	if _, err := tx.ExecContext(ctx, `UPDATE accounts SET cents = cents + $1 WHERE id = $2`, cents, account); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO bookings VALUES ($1, $2, $3)`, transfer, account, cents)
	return err
}

func (b *booker) between(ctx context.Context, t Transfer, together int) error {
	b.Note("started %d of %d", t.ID, together)
	return demo.Pause(ctx, time.Millisecond)
}

// books is the state of the ledger.
type books struct {
	balance [accounts]int64
	times   map[int]int // how often each transfer is booked, as a debit and a credit
	half    []int       // transfers with only one side
}

// read reads the whole ledger in one transaction.
func read(ctx context.Context, db *sql.DB) (b books, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return b, err
	}
	defer tx.Rollback()
	return b, errors.Join(b.readBalance(ctx, tx), b.readTimes(ctx, tx))
}

func (b *books) readBalance(ctx context.Context, tx *sql.Tx) error {
	for id := range b.balance {
		if err := tx.QueryRowContext(ctx, `SELECT cents FROM accounts WHERE id = $1`, id).Scan(&b.balance[id]); err != nil {
			return fmt.Errorf("account %d: %w", id, err)
		}
	}
	return nil
}

func (b *books) readTimes(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT transfer, COUNT(*), SUM(cents) FROM bookings GROUP BY transfer`)
	if err != nil {
		return err
	}
	defer rows.Close()
	b.times = map[int]int{}
	for rows.Next() {
		var id, n int
		var sum int64
		if err := rows.Scan(&id, &n, &sum); err != nil {
			return err
		}
		b.times[id] = n / 2
		if n%2 != 0 || sum != 0 {
			b.half = append(b.half, id)
		}
	}
	return rows.Err()
}

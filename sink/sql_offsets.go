package sink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"

	"github.com/laneway-go/laneway/stream"
)

var tableName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*$`)

// sqlOffsets is what is said to the table of offsets. The parameters are numbered in the order they stand in, each once, so that drivers which count
// them and drivers which read their numbers agree.
type sqlOffsets struct {
	sqlConfig
	owner string // of what this transactor has stored: another one of the same pipeline has another

	ddl, all, one, update, insert string
}

func newOffsets(c sqlConfig, owner string) sqlOffsets {
	t := quoted(c.table)
	return sqlOffsets{sqlConfig: c, owner: owner,
		ddl: `CREATE TABLE IF NOT EXISTS ` + t + ` (
	pipeline       TEXT   NOT NULL,
	topic          TEXT   NOT NULL,
	partition_id   BIGINT NOT NULL,
	next_offset    BIGINT NOT NULL,
	consumer_group TEXT   NOT NULL,
	owner          TEXT   NOT NULL,
	PRIMARY KEY (pipeline, topic, partition_id)
)`,
		all: `SELECT topic, partition_id, next_offset FROM ` + t + ` WHERE pipeline = $1`,
		one: `SELECT next_offset, consumer_group, owner FROM ` + t + ` WHERE pipeline = $1 AND topic = $2 AND partition_id = $3`,
		update: `UPDATE ` + t + ` SET next_offset = $1, owner = $2
			WHERE pipeline = $3 AND topic = $4 AND partition_id = $5 AND next_offset = $6 AND consumer_group = $7`,
		insert: `INSERT INTO ` + t + ` (pipeline, topic, partition_id, next_offset, consumer_group, owner) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT DO NOTHING`,
	}
}

// load returns all that is stored for the pipeline.
func (o *sqlOffsets) load(ctx context.Context, db *sql.DB) (map[stream.TopicPartition]int64, error) {
	rows, err := db.QueryContext(ctx, o.all, o.pipeline)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	stored := map[stream.TopicPartition]int64{}
	for rows.Next() {
		var tp stream.TopicPartition
		var next int64
		if err := rows.Scan(&tp.Topic, &tp.Partition, &next); err != nil {
			return nil, err
		}
		stored[tp] = next
	}
	return stored, rows.Err()
}

// advance moves what is stored for tp to r.Next, and returns the offset below which results are written already: r.From, or later if a transaction of our
// own went through whose answer was lost. It is a compare-and-set of the offset, and that alone is what keeps a result from being written twice; the owner
// only tells whether to go on or to let the partition go.
func (o *sqlOffsets) advance(ctx context.Context, tx *sql.Tx, tp stream.TopicPartition, r stream.Range, group string) (from int64, err error) {
	from = r.From
	for {
		// A transaction that holds the row, one of our own with its answer lost too, is waited for.
		moved, err := changes(tx.ExecContext(ctx, o.update, r.Next, o.owner, o.pipeline, tp.Topic, tp.Partition, from, group))
		if err != nil || moved {
			return from, o.failed(tp, err)
		}
		var next int64
		var heldBy, owner string
		err = tx.QueryRowContext(ctx, o.one, o.pipeline, tp.Topic, tp.Partition).Scan(&next, &heldBy, &owner)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			moved, err := changes(tx.ExecContext(ctx, o.insert, o.pipeline, tp.Topic, tp.Partition, r.Next, group, o.owner))
			if err != nil || moved {
				return from, o.failed(tp, err)
			} // else somebody was faster, and is there now
		case err != nil:
			return 0, o.failed(tp, err)
		case heldBy != group:
			return 0, stream.Permanent(fmt.Errorf("%s holds offsets of group %q for %v under the name %q, and this pipeline is in group %q: "+
				"give each pipeline a name of its own with sink.ForPipeline; where the group was renamed, rename it in the column consumer_group", o.table, heldBy, tp, o.pipeline, group))
		case owner == o.owner && from < next && next <= r.Next:
			from = next
		default:
			return 0, &stream.FencedError{Partitions: []stream.TopicPartition{tp},
				Err: fmt.Errorf("%s has offset %d where the transaction begins at %d", o.table, next, r.From)}
		}
	}
}

func (o *sqlOffsets) failed(tp stream.TopicPartition, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("storing the offset of %v in %s: %w", tp, o.table, err)
}

// changes reports whether a statement has changed its row.
func changes(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

package sink

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/laneway-go/laneway/stream"
)

var tableName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*$`)

// sqlOffsets reads and writes the table of offsets. In each statement the parameters are numbered
// in order and used once, since some drivers count them and others read the numbers.
type sqlOffsets struct {
	sqlConfig
	owner string // unique to this transactor

	ddl, count, all, one, update, insert string
	later                                []sqlColumn // columns that earlier versions lack

	mu sync.Mutex // guards void; a leaf
	// rows of earlier topics, as Restore has found them. Only these are written over: two topic ids
	// do not say which is newer, and a late worker must not win.
	void map[stream.TopicPartition]stream.TopicID
}

func newOffsets(c sqlConfig, owner string) *sqlOffsets {
	t := quoted(c.table)
	return &sqlOffsets{sqlConfig: c, owner: owner, void: map[stream.TopicPartition]stream.TopicID{},
		ddl: `CREATE TABLE IF NOT EXISTS ` + t + ` (
	pipeline       TEXT   NOT NULL,
	topic          TEXT   NOT NULL,
	partition_id   BIGINT NOT NULL,
	next_offset    BIGINT NOT NULL,
	consumer_group TEXT   NOT NULL,
	owner          TEXT   NOT NULL,
	topic_id       TEXT   NOT NULL DEFAULT '',
	state          TEXT   NOT NULL DEFAULT '',
	PRIMARY KEY (pipeline, topic, partition_id)
)`,
		// works with a table of an earlier version too
		count: `SELECT COUNT(*) FROM ` + t + ` WHERE next_offset < 0`,
		later: []sqlColumn{laterColumn(t, "topic_id"), laterColumn(t, "state")},
		all:   `SELECT pipeline, topic, partition_id, next_offset, topic_id, state FROM ` + t + ` WHERE pipeline = $1 OR substr(pipeline, 1, $2) = $3`,
		one:   `SELECT next_offset, consumer_group, owner, topic_id FROM ` + t + ` WHERE pipeline = $1 AND topic = $2 AND partition_id = $3`,
		update: `UPDATE ` + t + ` SET next_offset = $1, owner = $2, topic_id = $3, state = $4
			WHERE pipeline = $5 AND topic = $6 AND partition_id = $7 AND next_offset = $8 AND consumer_group = $9 AND topic_id = $10`,
		insert: `INSERT INTO ` + t + ` (pipeline, topic, partition_id, next_offset, consumer_group, owner, topic_id, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT DO NOTHING`,
	}
}

// sqlColumn is a column that was added to the table.
type sqlColumn struct{ look, add string }

func laterColumn(table, name string) sqlColumn {
	return sqlColumn{look: `SELECT COUNT(` + name + `) FROM ` + table + ` WHERE next_offset < 0`,
		add: `ALTER TABLE ` + table + ` ADD COLUMN ` + name + ` TEXT NOT NULL DEFAULT ''`}
}

// load returns all stored positions of the pipeline.
func (o *sqlOffsets) load(ctx context.Context, db *sql.DB) (map[stream.TopicPartition]stream.Position, error) {
	ofSources := o.name(stream.TopicPartition{}) + "/"
	rows, err := db.QueryContext(ctx, o.all, o.pipeline, utf8.RuneCountInString(ofSources), ofSources)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	stored := map[stream.TopicPartition]stream.Position{}
	for rows.Next() {
		var tp stream.TopicPartition
		var at stream.Position
		var name, id string
		if err := rows.Scan(&name, &tp.Topic, &tp.Partition, &at.Offset, &id, &at.State); err != nil {
			return nil, err
		}
		if err := at.TopicID.UnmarshalText([]byte(id)); err != nil {
			return nil, stream.Permanent(fmt.Errorf("column topic_id of %v [LW412]: %w", tp, err))
		}
		_, tp.Source, _ = strings.Cut(name[len(o.pipeline):], "/")
		stored[tp] = at
	}
	return stored, rows.Err()
}

// name returns the value of the column pipeline in a partition's row. A source of a Merge has rows
// of its own.
func (o *sqlOffsets) name(tp stream.TopicPartition) string {
	if tp.Source == "" {
		return o.pipeline
	}
	return o.pipeline + "/" + tp.Source
}

// moved returns an error if a partition has no row, but has one under another name of its source:
// with a name if tp has none, or without one. The name was added or removed since the row was
// written, and starting without the row would write its results again.
func (o *sqlOffsets) moved(stored map[stream.TopicPartition]stream.Position, parts map[stream.TopicPartition]stream.TopicID) error {
	for tp, id := range parts {
		if _, ok := stored[tp]; ok {
			continue
		}
		for other, at := range stored {
			// two different names may be two sources that read one topic
			renamed := (tp.Source == "") != (other.Source == "")
			if !renamed || other.Topic != tp.Topic || other.Partition != tp.Partition || at.TopicID != id || unknown(id) {
				continue
			}
			return stream.Permanent(fmt.Errorf("%s has no offset of %v, and one of %v, which is the same topic under another name of its source: restore that name with As, or rename the rows:\n"+
				"UPDATE %s SET pipeline = '%s' WHERE pipeline = '%s' [LW412]", o.table, tp, other, o.table, o.name(tp), o.name(other)))
		}
	}
	return nil
}

// restored returns the stored positions of parts, and notes rows with another topic id in void. The
// first commit of the new topic overwrites such a row and no other, so that a worker which still
// has the old topic cannot overwrite the row of the new one.
func (o *sqlOffsets) restored(stored map[stream.TopicPartition]stream.Position, parts map[stream.TopicPartition]stream.TopicID) map[stream.TopicPartition]stream.Position {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := make(map[stream.TopicPartition]stream.Position, len(parts))
	for tp, id := range parts {
		delete(o.void, tp)
		row, ok := stored[tp]
		if !ok {
			continue
		}
		at[tp] = row
		if row.TopicID != id && !unknown(row.TopicID) && !unknown(id) {
			o.void[tp] = row.TopicID
		}
	}
	return at
}

func unknown(id stream.TopicID) bool { return id == stream.TopicID{} }

// isVoid reports whether Restore has found a row with that topic id to be of an earlier topic.
func (o *sqlOffsets) isVoid(tp stream.TopicPartition, id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	void, ok := o.void[tp]
	return ok && void.String() == id
}

// row is the compared part of a row.
type row struct {
	next int64
	// topic id; empty: unknown, since an earlier version or a source without ids has written it
	id string
}

// advance moves the stored offset of tp to r.Next. It returns the offset below which results are
// written already: r.From, or a later one if a transaction of this owner was committed and its
// answer was lost. The compare-and-set of offset and topic id alone keeps results from being
// written twice. The owner only decides whether to continue or to yield.
func (o *sqlOffsets) advance(ctx context.Context, tx *sql.Tx, tp stream.TopicPartition, r stream.OffsetRange, group string) (from int64, err error) {
	from = r.From
	id := r.TopicID.String()
	for was := (row{from, id}); ; {
		// This waits for a transaction that holds the row, even one of our own whose answer was
		// lost.
		moved, err := changes(tx.ExecContext(ctx, o.update, r.Next, o.owner, cmp.Or(id, was.id), r.State, o.name(tp), tp.Topic, tp.Partition, was.next, group, was.id))
		if err != nil || moved {
			return from, o.failed(tp, err)
		}
		var is row
		var heldBy, owner string
		err = tx.QueryRowContext(ctx, o.one, o.name(tp), tp.Topic, tp.Partition).Scan(&is.next, &heldBy, &owner, &is.id)
		same := is.id == id || is.id == "" || id == ""
		switch {
		case errors.Is(err, sql.ErrNoRows):
			moved, err := changes(tx.ExecContext(ctx, o.insert, o.name(tp), tp.Topic, tp.Partition, r.Next, group, o.owner, id, r.State))
			if err != nil || moved {
				return from, o.failed(tp, err)
			} // else another worker has just inserted the row
		case err != nil:
			return 0, o.failed(tp, err)
		case heldBy != group:
			return 0, stream.Permanent(fmt.Errorf("%s holds offsets of group %q for %v under the name %q, and this pipeline is in group %q: "+
				"give each pipeline a name of its own with sink.ForPipeline; if you renamed the group, rename it in the column consumer_group too [LW412]", o.table, heldBy, tp, o.name(tp), group))
		case same && owner == o.owner && from < is.next && is.next <= r.Next:
			from, was = is.next, is
		case same && is.next == from && is.id != was.id, !same && is != was && o.isVoid(tp, is.id):
			was = is
		case !same:
			return 0, &stream.FencedError{Partitions: []stream.TopicPartition{tp},
				Err: fmt.Errorf("%s has an offset of topic id %s but the transaction has %s [LW414]", o.table, is.id, id)}
		default:
			return 0, &stream.FencedError{Partitions: []stream.TopicPartition{tp},
				Err: fmt.Errorf("%s has offset %d but the transaction starts at %d [LW414]", o.table, is.next, r.From)}
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

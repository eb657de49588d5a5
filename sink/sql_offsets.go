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

// sqlOffsets is what is said to the table of offsets. The parameters are numbered in the order they
// stand in, each once, so that drivers which count them and drivers which read their numbers agree.
type sqlOffsets struct {
	sqlConfig
	owner string // of what this transactor has stored: another one of the same pipeline has another

	ddl, count, all, one, update, insert string
	later                                []sqlColumn // that earlier versions lack

	mu sync.Mutex // guards void; a leaf
	// rows of earlier topics, as Restore has found them. Only these are written over: two topic ids do
	// not say which is newer, and a late worker must not win.
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
		// of an earlier version, too
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

// load returns all that is stored for the pipeline.
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

// name is what a partition's row has in the column pipeline. A source of a Merge has rows of its
// own.
func (o *sqlOffsets) name(tp stream.TopicPartition) string {
	if tp.Source == "" {
		return o.pipeline
	}
	return o.pipeline + "/" + tp.Source
}

// moved returns an error if a partition has no row, but the same partition has one of a source
// without a name, or tp has none and the row's source has: the name was given, or taken away, since
// the row was written. To start without it would write its results a second time.
func (o *sqlOffsets) moved(stored map[stream.TopicPartition]stream.Position, parts map[stream.TopicPartition]stream.TopicID) error {
	for tp, id := range parts {
		if _, ok := stored[tp]; ok {
			continue
		}
		for other, at := range stored {
			// two names may be of two sources that read one topic
			renamed := (tp.Source == "") != (other.Source == "")
			if !renamed || other.Topic != tp.Topic || other.Partition != tp.Partition || at.TopicID != id || unknown(id) {
				continue
			}
			return stream.Permanent(fmt.Errorf("%s has no offset of %v, and one of %v, which is the same topic under another name of its source: name the source with As as it was, or rename its rows:\n"+
				"UPDATE %s SET pipeline = '%s' WHERE pipeline = '%s' [LW412]", o.table, tp, other, o.table, o.name(tp), o.name(other)))
		}
	}
	return nil
}

// restored is what is stored of the parts. A row of another topic id than theirs is kept in mind:
// the first commit of the new topic writes over it, and over no other, so that a worker which still
// has the old topic cannot write over the new one's.
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

// isVoid reports whether a row of that topic id is one that Restore has told to count for nothing.
func (o *sqlOffsets) isVoid(tp stream.TopicPartition, id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	void, ok := o.void[tp]
	return ok && void.String() == id
}

// row is what is compared before it is set.
type row struct {
	next int64
	// the topic's; empty: not known, from before there were any or from a source without
	id string
}

// advance moves what is stored for tp to r.Next, and returns the offset below which results are
// written already: r.From, or later if a transaction of our own went through whose answer was lost.
// It is a compare-and-set of the offset and its topic, and that alone is what keeps a result from
// being written twice; the owner only tells whether to go on or to let the partition go.
func (o *sqlOffsets) advance(ctx context.Context, tx *sql.Tx, tp stream.TopicPartition, r stream.OffsetRange, group string) (from int64, err error) {
	from = r.From
	id := r.TopicID.String()
	for was := (row{from, id}); ; {
		// A transaction that holds the row, one of our own with its answer lost too, is waited for.
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
			} // else somebody was faster, and is there now
		case err != nil:
			return 0, o.failed(tp, err)
		case heldBy != group:
			return 0, stream.Permanent(fmt.Errorf("%s holds offsets of group %q for %v under the name %q, and this pipeline is in group %q: "+
				"give each pipeline a name of its own with sink.ForPipeline; where the group was renamed, rename it in the column consumer_group [LW412]", o.table, heldBy, tp, o.name(tp), group))
		case same && owner == o.owner && from < is.next && is.next <= r.Next:
			from, was = is.next, is
		case same && is.next == from && is.id != was.id, !same && is != was && o.isVoid(tp, is.id):
			was = is
		case !same:
			return 0, &stream.FencedError{Partitions: []stream.TopicPartition{tp},
				Err: fmt.Errorf("%s has an offset of topic id %s where the transaction is of %s [LW414]", o.table, is.id, id)}
		default:
			return 0, &stream.FencedError{Partitions: []stream.TopicPartition{tp},
				Err: fmt.Errorf("%s has offset %d where the transaction begins at %d [LW414]", o.table, is.next, r.From)}
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

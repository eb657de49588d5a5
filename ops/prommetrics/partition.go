package prommetrics

import (
	"cmp"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/laneway-go/laneway/ops/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

// column is one metric of a partition.
type column int

const (
	failed column = iota // counted as it happens
	retried
	skipped
	deadLettered
	deadLettersFailed
	halted
	again
	handled // read from a Snapshot, and added up over assignments
	fetched
	fetchedBytes
	lag // read from a Snapshot
	inFlight
	inFlightBytes
	age
	watermark
	committed
	uncommitted
	frozen
	unreadable
	columns

	counted  = handled
	counters = lag
)

var columnDescs = [columns]*prometheus.Desc{
	failed:       ofPartition("attempts_failed_total", "Attempts of steps that failed; of a batch, counted once at its first record."),
	retried:      ofPartition("retries_total", "Failed attempts that were followed by another."),
	skipped:      ofPartition("records_skipped_total", "Elements that were given up by SkipOnError or Skip, counted at their records."),
	deadLettered: ofPartition("records_dead_lettered_total", "Elements that were written to a dead-letter sink, counted at their records."),
	deadLettersFailed: ofPartition("dead_letters_failed_total",
		"Elements that could not be written to a dead-letter sink, counted at their records."),
	halted: ofPartition("halts_total", "Times that the partition was frozen."),
	again: ofPartition("possible_duplicates_total",
		"Records that were finished but not committed when the partition was revoked or lost: its next owner may handle them again."),
	handled:      ofPartition("records_handled_total", "Records that were finished, whatever became of them."),
	fetched:      ofPartition("fetched_records_total", "Records that the source has delivered."),
	fetchedBytes: ofPartition("fetched_bytes_total", "Payload of the records that the source has delivered."),
	lag: ofPartition("lag_records",
		"Offsets between what is committed (without a commit: the watermark) and the end of the log."),
	inFlight:      ofPartition("in_flight_records", "Records between the watermark and the fetch position, and below a commit."),
	inFlightBytes: ofPartition("in_flight_bytes", "Payload that the records in flight keep in memory."),
	age: ofPartition("watermark_age_seconds",
		"How long the oldest unfinished record, which the watermark waits for, has been here; 0: none is."),
	watermark: ofPartition("watermark_offset", "The offset that could be committed now."),
	committed: ofPartition("committed_offset", "The offset that is committed."),
	uncommitted: ofPartition("uncommitted_records",
		"Records that are finished and not committed: they are handled again if the partition goes elsewhere now."),
	frozen: ofPartition("halted", "1 while the partition is frozen."),
	unreadable: ofPartition("unreadable",
		"1 while the partition cannot be read: no leader, no offset to start from, no permission. Partition -1 is the whole topic."),
}

func ofPartition(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("laneway_"+name, help, []string{"pipeline", "topic", "partition"}, nil)
}

// place is the labels of a row.
type place struct{ partition, pipeline, topic string }

// row is the metrics of a partition of all pipelines of one name. It stays: a counter must never
// fall.
type row struct {
	place
	labels []*dto.LabelPair // never changed
	counts [counted]atomic.Int64
	former stream.Totals // of pipelines that are not kept any more
}

// row finds or makes a row. m.mu is held.
func (m *metrics) row(pipeline string, tp stream.TopicPartition) *row {
	at := place{strconv.Itoa(tp.Partition), pipeline, legible.Text(tp.Topic)}
	r := m.rows[at]
	if r == nil {
		r = &row{place: at, labels: []*dto.LabelPair{ // sorted by name, as the registry wants them
			{Name: new("partition"), Value: &at.partition}, {Name: new("pipeline"), Value: &at.pipeline}, {Name: new("topic"), Value: &at.topic}}}
		m.rows[at], m.sorted = r, nil
	}
	return r
}

// inOrder returns the rows as the registry sorts them, which saves it the work. m.mu is held.
func (m *metrics) inOrder() []*row {
	if m.sorted == nil {
		m.sorted = make([]*row, 0, len(m.rows))
		for _, r := range m.rows {
			m.sorted = append(m.sorted, r)
		}
		slices.SortFunc(m.sorted, func(a, b *row) int {
			return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.pipeline, b.pipeline), cmp.Compare(a.topic, b.topic))
		})
	}
	return m.sorted
}

package prommetrics

import (
	"cmp"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/laneway-go/laneway/internal/legible"
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
	handled // read from a Snapshot and summed over assignments
	fetched
	fetchedBytes
	lag // read from a Snapshot
	lagTime
	activeLag
	activeLagTime
	finishedAhead
	stateBytes
	inFlight
	inFlightBytes
	age
	watermark
	committed
	uncommitted
	frozen
	paused
	parked
	setAside
	setAsideFrom
	unreadable
	columns

	counted  = handled
	counters = lag
)

var columnDescs = [columns]*prometheus.Desc{
	failed:       ofPartition("attempts_failed_total", "Failed attempts of steps; an attempt of a batch counts once, at its first record."),
	retried:      ofPartition("retries_total", "Failed attempts that were retried."),
	skipped:      ofPartition("records_skipped_total", "Elements given up by SkipOnError or Skip, counted at their records."),
	deadLettered: ofPartition("records_dead_lettered_total", "Elements written to a dead-letter sink, counted at their records."),
	deadLettersFailed: ofPartition("dead_letters_failed_total",
		"Elements that could not be written to a dead-letter sink, counted at their records."),
	halted: ofPartition("halts_total", "Halts of the partition, and parks of its lanes and records."),
	again: ofPartition("possible_duplicates_total",
		"Records finished but not committed when the partition was revoked or lost: its next owner may handle them again."),
	handled:      ofPartition("records_handled_total", "Finished records, with any outcome."),
	fetched:      ofPartition("fetched_records_total", "Records delivered by the source."),
	fetchedBytes: ofPartition("fetched_bytes_total", "Payload of the records delivered by the source."),
	lag: ofPartition("lag_records",
		"Offsets between the committed offset (without a commit: the watermark) and the end of the log."),
	lagTime: ofPartition("lag_seconds", "Time since the oldest of these records was written, by its timestamp."),
	activeLag: ofPartition("active_lag_records",
		"Records up to the end of the log that are neither finished nor parked."),
	activeLagTime: ofPartition("active_lag_seconds", "Time since the oldest of these records was written, by its timestamp."),
	finishedAhead: ofPartition("finished_ahead_offsets", "Offsets above the committed one that the stored resume state lists as finished."),
	stateBytes:    ofPartition("resume_state_bytes", "Size of the stored resume state."),
	inFlight:      ofPartition("in_flight_records", "Records that were fetched and are not finished, and below a commit. At MaxInFlight the partition is full."),
	inFlightBytes: ofPartition("in_flight_bytes", "Payload kept in memory by the records in flight."),
	age: ofPartition("watermark_age_seconds",
		"Age of the oldest unfinished record, which holds the watermark back; 0 without one."),
	watermark: ofPartition("watermark_offset", "The offset that could be committed now."),
	committed: ofPartition("committed_offset", "The committed offset."),
	uncommitted: ofPartition("uncommitted_records",
		"Records finished but not committed: they are handled again if the partition moves now."),
	frozen: ofPartition("halted", "1 while a failure halts the partition."),
	paused: ofPartition("paused", "1 while an operator has paused the partition."),
	parked: ofPartition("parked", "Parked lanes and records of the partition."),
	setAside: ofPartition("set_aside_lanes",
		"Lanes whose later records are not in memory, since they are parked, fail for long, or are being read again."),
	setAsideFrom: ofPartition("set_aside_from_offset", "The lowest offset where these begin; left out without one."),
	unreadable: ofPartition("unreadable",
		"1 while the partition cannot be read: no leader, no offset to start from, no permission. Partition -1 is the whole topic."),
}

func ofPartition(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("laneway_"+name, help, []string{"pipeline", "source", "topic", "partition"}, nil)
}

// place holds the labels of a row.
type place struct{ partition, pipeline, source, topic string }

// row holds the metrics of a partition over all pipelines of one name. It is never removed, since a
// counter must never fall.
type row struct {
	place
	labels []*dto.LabelPair // never changed
	counts [counted]atomic.Int64
	former stream.Totals // of pipelines no longer in memory
}

// row finds or creates a row. m.mu is held.
func (m *metrics) row(pipeline string, tp stream.TopicPartition) *row {
	at := place{strconv.Itoa(tp.Partition), pipeline, legible.Text(tp.Source), legible.Text(tp.Topic)}
	r := m.rows[at]
	if r == nil {
		r = &row{place: at, labels: []*dto.LabelPair{ // sorted by name, as the registry wants them
			{Name: new("partition"), Value: &at.partition}, {Name: new("pipeline"), Value: &at.pipeline},
			{Name: new("source"), Value: &at.source}, {Name: new("topic"), Value: &at.topic}}}
		m.rows[at], m.sorted = r, nil
	}
	return r
}

// inOrder returns the rows in the registry's order, which saves it the sorting. m.mu is held.
func (m *metrics) inOrder() []*row {
	if m.sorted == nil {
		m.sorted = make([]*row, 0, len(m.rows))
		for _, r := range m.rows {
			m.sorted = append(m.sorted, r)
		}
		slices.SortFunc(m.sorted, func(a, b *row) int {
			return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.pipeline, b.pipeline), cmp.Compare(a.source, b.source), cmp.Compare(a.topic, b.topic))
		})
	}
	return m.sorted
}

package prommetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/laneway-go/laneway/stream"
)

var blockedFor = prometheus.NewDesc("laneway_blocked_seconds",
	"How long the partition has been blocked, by what it waits for now; absent while it moves. Pipeline.Explain has the details.",
	[]string{"cause", "partition", "pipeline", "source", "topic"}, nil)

// stand is the state of a partition at a scrape.
type stand struct {
	epoch                int32
	watermark, committed int64
}

// stuck reports whether a partition has something to do and has not moved since the last scrape:
// others need no explanation, which keeps a scrape of many cheap. metrics.mu is held.
func (q *part) stuck(s *stream.PartitionState) bool {
	now := stand{s.Epoch, s.Watermark, s.Committed}
	stays := q.stood == now
	q.stood = now
	return stays && (s.InFlight > 0 || s.Lag > 0 || s.Halt != nil || s.Totals.Uncommitted > 0)
}

// suspects are partitions of a pipeline that do not move.
type suspects struct {
	tps  []stream.TopicPartition
	rows []*row
}

func (s *suspects) add(tp stream.TopicPartition, r *row) {
	s.tps, s.rows = append(s.tps, tp), append(s.rows, r)
}

// block is one cause of one partition.
type block struct {
	row   *row
	cause stream.Cause
}

// blocks notes for how long partitions have been blocked, and by what. It holds no lock.
func (s *suspects) blocks(p *stream.Pipeline, into map[block]time.Duration) {
	if len(s.tps) == 0 {
		return
	}
	for i, e := range p.Blocked(s.tps...) {
		for _, c := range append([]stream.Cause{e.Cause}, e.Also...) {
			switch c {
			case stream.CauseNone, stream.CauseIdle, stream.CauseUnassigned, stream.CauseStopped:
				continue
			}
			since := e.Since
			switch {
			case c == stream.CauseCommit && !e.CommitFailedSince.IsZero():
				since = e.CommitFailedSince
			case c != stream.CauseHalt && c != stream.CausePark && e.Record != nil:
				since = e.Delivered // each attempt restarts Since, but not the block
			}
			at, d := block{s.rows[i], c}, time.Duration(0)
			if !since.IsZero() {
				d = e.At.Sub(since)
			}
			into[at] = max(into[at], d)
		}
	}
}

func collectBlocks(blocks map[block]time.Duration, ch chan<- prometheus.Metric) {
	for b, d := range blocks {
		ch <- prometheus.MustNewConstMetric(blockedFor, prometheus.GaugeValue, d.Seconds(), string(b.cause), b.row.partition, b.row.pipeline, b.row.source, b.row.topic)
	}
}

// Package prommetrics measures pipelines for Prometheus.
//
//	Run(ctx, stream.Observe(prommetrics.To(registry)))
package prommetrics

import (
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/laneway-go/laneway/stream"
)

// To registers the metrics of a pipeline, which all start with laneway_:
//
//   - Per partition: lag, records in flight, the age of the watermark, and counters of handled,
//     failed, retried, skipped, dead-lettered and halted records, and of possible duplicates after
//     a rebalance.
//   - Per step: the duration of attempts, the size of batches, and degrees and rates that operators
//     can set, beside those of the chain.
//   - Per pipeline: commits and rebalances.
//
// Their help texts say what each means. Labels are pipeline, topic and partition, or pipeline and
// step; never a key. Name the pipelines that share a registry (stream.Named). Pipelines of one
// name, such as members of one group, are added up.
//
// State is read from Pipeline.Snapshot at each scrape, so counting adds no cost to a record.
// Counters are exact. Durations cover every batch, and about 1,000 attempts per second of randomly
// drawn records. A scrape of 5,000 partitions, 18 series each, takes about as long as the registry
// needs for 90,000 series.
//
// An ended pipeline is released from memory. Its counters stay, and the next pipeline of its name
// continues them.
//
// Build fails if the registry refuses the metrics because another collector uses one of the names.
func To(r prometheus.Registerer) stream.Observer {
	m := newMetrics()
	register := sync.OnceValue(func() error {
		err := r.Register(m)
		if other, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			if before, ours := other.ExistingCollector.(*metrics); ours {
				m, err = before, nil // To was called with the registry before
			}
		}
		return err
	})
	return stream.Observer{Attach: func(p *stream.Pipeline) (stream.Observer, error) {
		if r == nil {
			return stream.Observer{}, errors.New("prommetrics.To was given no Registerer")
		}
		if err := register(); err != nil {
			return stream.Observer{}, fmt.Errorf("prommetrics.To cannot register its metrics: %w", err)
		}
		t := m.watch(p)
		return stream.Observer{Begin: t.begin, StepDone: t.done, Event: t.event}, nil
	}}
}

// metrics holds the metrics of one registry.
type metrics struct {
	attemptsFailed, postponed, overrun                 *prometheus.CounterVec   // pipeline, step
	duration, batch                                    *prometheus.HistogramVec // pipeline, step
	commit                                             *prometheus.HistogramVec // pipeline
	commitsFailed, rebalances, assigned, revoked, lost *prometheus.CounterVec   // pipeline

	// mu guards the fields below and the parts of the meters. No foreign code runs under it.
	mu     sync.Mutex
	meters []*meter
	names  map[string]bool // of pipelines, ended ones too
	rows   map[place]*row
	sorted []*row // in the registry's order; nil after a row was added
}

func newMetrics() *metrics {
	ofStep, ofPipeline := []string{"pipeline", "step"}, []string{"pipeline"}
	count := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "laneway", Name: name, Help: help}, labels)
	}
	spread := func(name, help string, buckets []float64, labels []string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "laneway", Name: name, Help: help,
			Buckets: buckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160}, labels)
	}
	seconds := []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	sizes := []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}
	return &metrics{
		names: map[string]bool{}, rows: map[place]*row{},
		attemptsFailed: count("step_attempts_failed_total", "Failed attempts of the step.", ofStep),
		postponed: count("step_postponed_total",
			"Calls of the step that were postponed, not attempted: a breaker is open or about to open.", ofStep),
		overrun: count("step_overruns_total", "Attempts of the step still running a second after its Timeout.", ofStep),
		duration: spread("step_duration_seconds",
			"Duration of an attempt of the step: of every batch, and of about 1,000 randomly drawn attempts per second.", seconds, ofStep),
		batch:  spread("batch_size_records", "Source records in the batches that the step handled.", sizes, ofStep),
		commit: spread("commit_duration_seconds", "Duration of a commit until it was stored.", seconds, ofPipeline),
		commitsFailed: count("commits_failed_total",
			"Refused commits, in whole or for one partition, that are retried.", ofPipeline),
		rebalances: count("rebalances_total", "Rebalances of the group that included this member.", ofPipeline),
		assigned:   count("partitions_assigned_total", "Partitions assigned to this pipeline.", ofPipeline),
		revoked:    count("partitions_revoked_total", "Partitions drained, committed and released.", ofPipeline),
		lost:       count("partitions_lost_total", "Partitions taken away without a drain.", ofPipeline),
	}
}

// vectors returns the metrics that are not per partition.
func (m *metrics) vectors() []prometheus.Collector {
	return []prometheus.Collector{m.attemptsFailed, m.postponed, m.overrun, m.duration, m.batch, m.commit, m.commitsFailed, m.rebalances, m.assigned, m.revoked, m.lost}
}

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

// To gives a registry the pipeline's metrics, which all start with laneway_. Per partition: lag,
// records in flight, how long the watermark has stood, and what was handled, failed, retried,
// skipped, dead-lettered, halted or may be handled twice after a rebalance. Per step: how long its
// attempts took and how large its batches were. Per pipeline: commits and rebalances. Their help
// texts say what each means. Labels are pipeline, topic and partition, or pipeline and step; never
// a key. Give pipelines that share a registry names of their own (stream.Named); those that share a
// name, such as members of one group, are added up.
//
// State is read from Pipeline.Snapshot when the registry is scraped, so counting records costs them
// nothing. Counters are exact. Durations are of every batch, and of about 1,000 attempts a second,
// of records drawn at random. A scrape of 5,000 partitions, 18 series each, takes about as long as
// the registry needs for 90,000 series.
//
// A pipeline that has ended is not kept in memory. Its counters stay, and another one of its name
// continues them.
//
// Build returns an error for what the registry refuses: another's metric of one of the names.
func To(r prometheus.Registerer) stream.Observer {
	m := newMetrics()
	register := sync.OnceValue(func() error {
		err := r.Register(m)
		if other, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			if before, ours := other.ExistingCollector.(*metrics); ours {
				m, err = before, nil // the registry was given to To before
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

// metrics is what one registry has of ours.
type metrics struct {
	attemptsFailed, postponed, overrun                 *prometheus.CounterVec   // pipeline, step
	duration, batch                                    *prometheus.HistogramVec // pipeline, step
	commit                                             *prometheus.HistogramVec // pipeline
	commitsFailed, rebalances, assigned, revoked, lost *prometheus.CounterVec   // pipeline

	// guards what follows, and the meters' parts; nothing of anybody else's is called under it
	mu     sync.Mutex
	meters []*meter
	names  map[string]bool // of pipelines, ended ones too
	rows   map[place]*row
	sorted []*row // as the registry sorts them; nil: a row has come since
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
		attemptsFailed: count("step_attempts_failed_total", "Attempts of the step that failed.", ofStep),
		postponed: count("step_postponed_total",
			"Calls of the step that were no attempt, so that their element waited: a breaker was open, or is about to be.", ofStep),
		overrun: count("step_overruns_total", "Attempts of the step that went on a second after its Timeout had passed.", ofStep),
		duration: spread("step_duration_seconds",
			"How long an attempt of the step took: of about 1,000 attempts a second drawn at random, and of every batch.", seconds, ofStep),
		batch:  spread("batch_size_records", "Source records in the batches that the step worked on.", sizes, ofStep),
		commit: spread("commit_duration_seconds", "How long a commit took until it was stored.", seconds, ofPipeline),
		commitsFailed: count("commits_failed_total",
			"Commits that were refused, in whole or for one partition, and are tried again.", ofPipeline),
		rebalances: count("rebalances_total", "Rebalances of the group that included this member.", ofPipeline),
		assigned:   count("partitions_assigned_total", "Partitions that were given to this pipeline.", ofPipeline),
		revoked:    count("partitions_revoked_total", "Partitions that were drained, committed and released.", ofPipeline),
		lost:       count("partitions_lost_total", "Partitions that were taken away without a drain.", ofPipeline),
	}
}

// vectors are the metrics that are not per partition.
func (m *metrics) vectors() []prometheus.Collector {
	return []prometheus.Collector{m.attemptsFailed, m.postponed, m.overrun, m.duration, m.batch, m.commit, m.commitsFailed, m.rebalances, m.assigned, m.revoked, m.lost}
}

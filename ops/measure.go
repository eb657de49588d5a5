package ops

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/laneway-go/laneway/stream"
)

// Measure gives a registry the pipeline's metrics, all beginning with laneway_: per partition lag, what is in flight, how long the watermark has stood, what
// was handled, failed, retried, skipped, dead-lettered, halted, and may be done twice after a rebalance; per step how long its attempts took and how large its
// batches were; commits and rebalances. Their help texts say what each means. Labels are pipeline, topic and partition, or pipeline and step: never a key.
// Pipelines that are measured in one registry should have names of their own (Named); those that share one, such as members of one group, are added up.
//
// How it stands is read from Pipeline.Snapshot when the registry is scraped, so that counting records costs them nothing. Counters are exact; durations are of
// about 1,000 attempts a second, of records drawn at random, or of all where fewer come, and of every batch.
//
// What the registry refuses (another's metric of one of the names), Build tells.
func Measure(r prometheus.Registerer) stream.Observer {
	if r == nil {
		return unusable("Measure was given no Registerer")
	}
	m := newMetrics()
	register := sync.OnceValue(func() error {
		err := r.Register(m)
		if other, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			if before, ours := other.ExistingCollector.(*metrics); ours {
				m, err = before, nil // the registry has been given to another Measure
			}
		}
		return err
	})
	return stream.Observer{Attach: func(p *stream.Pipeline) (stream.Observer, error) {
		if err := register(); err != nil {
			return stream.Observer{}, fmt.Errorf("Measure cannot register its metrics: %w", err)
		}
		t := m.watch(p)
		return stream.Observer{Begin: t.begin, StepDone: t.done, Event: t.event}, nil
	}}
}

// metrics is what one registry has of ours.
type metrics struct {
	failed, retried, skipped, deadLettered, deadLettersFailed, halted, again *prometheus.CounterVec   // pipeline, topic, partition
	attemptsFailed                                                           *prometheus.CounterVec   // pipeline, step
	duration, batch                                                          *prometheus.HistogramVec // pipeline, step
	commit                                                                   *prometheus.HistogramVec // pipeline
	commitsFailed, rebalances, assigned, revoked, lost                       *prometheus.CounterVec   // pipeline

	mu      sync.Mutex // guards watched
	watched []*meter
}

var (
	ofPartition = []string{"pipeline", "topic", "partition"}
	ofStep      = []string{"pipeline", "step"}
	ofPipeline  = []string{"pipeline"}
)

func newMetrics() *metrics {
	count := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "laneway", Name: name, Help: help}, labels)
	}
	spread := func(name, help string, buckets []float64, labels []string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "laneway", Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160}, labels)
	}
	seconds := []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	return &metrics{
		failed:            count("attempts_failed_total", "Attempts of steps that failed; of a batch, counted once at its first record.", ofPartition),
		retried:           count("retries_total", "Failed attempts that were followed by another.", ofPartition),
		skipped:           count("records_skipped_total", "Elements that were given up by SkipOnError or Skip, counted at their records.", ofPartition),
		deadLettered:      count("records_dead_lettered_total", "Elements that were written to a dead-letter sink, counted at their records.", ofPartition),
		deadLettersFailed: count("dead_letters_failed_total", "Elements that could not be written to a dead-letter sink, counted at their records.", ofPartition),
		halted:            count("halts_total", "Times that the partition was frozen.", ofPartition),
		again: count("possible_duplicates_total",
			"Records that were finished but not committed when the partition was revoked or lost: whoever has it next may handle them again.", ofPartition),
		attemptsFailed: count("step_attempts_failed_total", "Attempts of the step that failed.", ofStep),
		duration:       spread("step_duration_seconds", "How long an attempt of the step took: of about 1,000 attempts a second drawn at random, and of every batch.", seconds, ofStep),
		batch: spread("batch_size_records", "Source records in the batches that the step worked on.",
			[]float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}, ofStep),
		commit:        spread("commit_duration_seconds", "How long a commit took until it was stored.", seconds, ofPipeline),
		commitsFailed: count("commits_failed_total", "Commits that were refused, in whole or for one partition, and are tried again.", ofPipeline),
		rebalances:    count("rebalances_total", "Times that the group shared its partitions out anew with this member in it.", ofPipeline),
		assigned:      count("partitions_assigned_total", "Partitions that were given to this pipeline.", ofPipeline),
		revoked:       count("partitions_revoked_total", "Partitions that were drained, committed and let go.", ofPipeline),
		lost:          count("partitions_lost_total", "Partitions that were taken away without a drain.", ofPipeline),
	}
}

// collectors is what is counted as it happens.
func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.failed, m.retried, m.skipped, m.deadLettered, m.deadLettersFailed, m.halted, m.again, m.attemptsFailed, m.duration, m.batch,
		m.commit, m.commitsFailed, m.rebalances, m.assigned, m.revoked, m.lost}
}

// watch begins to measure a pipeline. What it may count is there from the start, since an increase from nothing shows in no rate.
func (m *metrics) watch(p *stream.Pipeline) *meter {
	topology := p.Describe()
	t := &meter{metrics: m, p: p, name: topology.Name, past: map[stream.TopicPartition]past{}}
	t.sample.start()
	for _, c := range []*prometheus.CounterVec{m.commitsFailed, m.rebalances, m.assigned, m.revoked, m.lost} {
		c.WithLabelValues(t.name)
	}
	m.commit.WithLabelValues(t.name)
	for _, stage := range topology.Stages {
		for _, step := range stage.Steps {
			m.attemptsFailed.WithLabelValues(t.name, step.Name)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watched = append(m.watched, t)
	return t
}

// meter measures one pipeline.
type meter struct {
	*metrics
	p      *stream.Pipeline
	name   string
	sample sample

	mu   sync.Mutex // guards past
	past map[stream.TopicPartition]past
}

func (t *meter) begin(ctx context.Context) (context.Context, bool) { return ctx, t.sample.draw() }

func (t *meter) done(_ context.Context, c stream.Call, _ error) {
	t.duration.WithLabelValues(t.name, c.Step()).Observe(c.Took().Seconds())
	if c.Batch() {
		t.batch.WithLabelValues(t.name, c.Step()).Observe(float64(c.Records()))
	} else {
		t.sample.taken()
	}
}

func (t *meter) at(c *prometheus.CounterVec, tp stream.TopicPartition) prometheus.Counter {
	return c.WithLabelValues(t.name, tp.Topic, strconv.Itoa(tp.Partition))
}

func (t *meter) event(e stream.Event) {
	switch e := e.(type) {
	case stream.Assigned:
		t.assigned.WithLabelValues(t.name).Inc()
		for _, c := range []*prometheus.CounterVec{t.failed, t.retried, t.skipped, t.deadLettered, t.deadLettersFailed, t.halted, t.again} {
			t.at(c, e.TopicPartition)
		}
	case stream.Revoked:
		t.revoked.WithLabelValues(t.name).Inc()
		t.at(t.again, e.TopicPartition).Add(float64(e.Totals.Uncommitted))
		t.ended(e.TopicPartition, e.Epoch, e.Totals)
	case stream.Lost:
		t.lost.WithLabelValues(t.name).Inc()
		t.at(t.again, e.TopicPartition).Add(float64(e.Totals.Uncommitted))
		t.ended(e.TopicPartition, e.Epoch, e.Totals)
	case stream.Rebalanced:
		t.rebalances.WithLabelValues(t.name).Inc()
	case stream.Committed:
		t.commit.WithLabelValues(t.name).Observe(e.Took.Seconds())
	case stream.CommitFailed:
		t.commitsFailed.WithLabelValues(t.name).Inc()
	case stream.AttemptFailed:
		t.at(t.failed, e.Meta.TP()).Inc()
		t.attemptsFailed.WithLabelValues(t.name, e.Step).Inc()
	case stream.Retrying:
		t.at(t.retried, e.Meta.TP()).Inc()
	case stream.Skipped:
		t.at(t.skipped, e.Meta.TP()).Inc()
	case stream.DeadLettered:
		t.at(t.deadLettered, e.Meta.TP()).Inc()
	case stream.DeadLetterFailed:
		t.at(t.deadLettersFailed, e.Meta.TP()).Inc()
	case stream.Halted:
		t.at(t.halted, e.Meta.TP()).Inc()
	case stream.Drained:
		t.over()
	}
}

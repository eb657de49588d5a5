package prommetrics

import (
	"context"
	"slices"
	"sync/atomic"
	"weak"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

// meter measures one pipeline. It does not keep the pipeline in memory, since the registry outlives
// it.
type meter struct {
	*metrics
	p      weak.Pointer[stream.Pipeline]
	name   string
	sample sample
	runs   atomic.Int64 // ended runs

	parts map[stream.TopicPartition]*part // metrics.mu guards the map and its parts
}

// part sums up a pipeline's assignments of one partition.
type part struct {
	row   *row
	epoch int32         // the last epoch that ended in this run
	sum   stream.Totals // of ended assignments
	told  stream.Totals // as last reported
	stood stand         // at the last scrape
}

// watch starts to measure a pipeline. Every counter exists from the start, since rate() shows no
// increase from a missing series.
func (m *metrics) watch(p *stream.Pipeline) *meter {
	topology := p.Describe()
	t := &meter{metrics: m, p: weak.Make(p), name: legible.Text(topology.Name), parts: map[stream.TopicPartition]*part{}}
	t.sample.start()
	for _, c := range []*prometheus.CounterVec{m.commitsFailed, m.rebalances, m.assigned, m.revoked, m.lost} {
		c.WithLabelValues(t.name)
	}
	m.commit.WithLabelValues(t.name)
	for _, stage := range topology.Stages {
		for _, step := range stage.Steps {
			m.attemptsFailed.WithLabelValues(t.name, legible.Text(step.Name))
			m.overrun.WithLabelValues(t.name, legible.Text(step.Name))
			m.postponed.WithLabelValues(t.name, legible.Text(step.Name))
		}
	}
	m.alive() // so that ended pipelines do not pile up between two scrapes
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meters = append(m.meters, t)
	m.names[t.name] = true
	return t
}

// alive returns the meters of pipelines still in memory, and these pipelines. It removes the other
// meters.
func (m *metrics) alive() (ts []*meter, ps []*stream.Pipeline) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meters = slices.DeleteFunc(m.meters, func(t *meter) bool {
		p := t.p.Value()
		if p == nil {
			for _, q := range t.parts {
				q.row.former = plus(q.row.former, most(q.told, q.sum))
			}
			return true
		}
		ts, ps = append(ts, t), append(ps, p)
		return false
	})
	return ts, ps
}

// part finds or creates a partition's part. metrics.mu is held.
func (t *meter) part(tp stream.TopicPartition) *part {
	q := t.parts[tp]
	if q == nil {
		q = &part{row: t.row(t.name, tp)}
		t.parts[tp] = q
	}
	return q
}

func (t *meter) begin(ctx context.Context) (context.Context, bool) { return ctx, t.sample.draw() }

func (t *meter) done(_ context.Context, c stream.Call, _ error) {
	step := legible.Text(c.Step())
	t.duration.WithLabelValues(t.name, step).Observe(c.Duration().Seconds())
	if c.Batch() {
		t.batch.WithLabelValues(t.name, step).Observe(float64(c.Records()))
	} else {
		t.sample.taken()
	}
}

func (t *meter) event(e stream.Event) {
	switch e := e.(type) {
	case stream.Assigned:
		t.assigned.WithLabelValues(t.name).Inc()
		t.mu.Lock()
		t.part(e.TopicPartition)
		t.mu.Unlock()
	case stream.Revoked:
		t.revoked.WithLabelValues(t.name).Inc()
		t.ended(e.TopicPartition, e.Epoch, e.Totals)
	case stream.Lost:
		t.lost.WithLabelValues(t.name).Inc()
		t.ended(e.TopicPartition, e.Epoch, e.Totals)
	case stream.Rebalanced:
		t.rebalances.WithLabelValues(t.name).Inc()
	case stream.Committed:
		t.commit.WithLabelValues(t.name).Observe(e.Duration.Seconds())
	case stream.CommitFailed:
		t.commitsFailed.WithLabelValues(t.name).Inc()
	case stream.AttemptFailed:
		t.count(failed, e.Meta)
		t.attemptsFailed.WithLabelValues(t.name, legible.Text(e.Step)).Inc()
	case stream.Overrunning:
		t.overrun.WithLabelValues(t.name, legible.Text(e.Step)).Inc()
	case stream.Postponed:
		t.postponed.WithLabelValues(t.name, legible.Text(e.Step)).Inc()
	case stream.Retrying:
		t.count(retried, e.Meta)
	case stream.Skipped:
		t.count(skipped, e.Meta)
	case stream.DeadLettered:
		t.count(deadLettered, e.Meta)
	case stream.DeadLetterFailed:
		t.count(deadLettersFailed, e.Meta)
	case stream.Halted:
		if !e.Restored { // it was counted where the record was tried
			t.count(halted, e.Meta)
		}
	case stream.Drained:
		t.over()
	}
}

func (t *meter) count(c column, m stream.Meta) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part(m.TopicPartition()).row.counts[c].Add(1)
}

// ended adds an ended assignment to the sum. A reported total must never fall, or it would look
// like a restart.
func (t *meter) ended(tp stream.TopicPartition, epoch int32, last stream.Totals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.part(tp)
	q.epoch, q.sum = epoch, plus(q.sum, last)
	q.row.counts[again].Add(last.Uncommitted)
}

// over ends a run: the next run counts epochs from the start again.
func (t *meter) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs.Add(1)
	for _, q := range t.parts {
		q.epoch = 0
	}
}

func plus(a, b stream.Totals) stream.Totals {
	return stream.Totals{Delivered: a.Delivered + b.Delivered, Bytes: a.Bytes + b.Bytes, Finished: a.Finished + b.Finished}
}

func most(a, b stream.Totals) stream.Totals {
	return stream.Totals{Delivered: max(a.Delivered, b.Delivered), Bytes: max(a.Bytes, b.Bytes), Finished: max(a.Finished, b.Finished)}
}

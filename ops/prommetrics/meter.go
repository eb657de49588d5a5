package prommetrics

import (
	"context"
	"slices"
	"sync/atomic"
	"weak"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/laneway-go/laneway/ops/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

// meter measures one pipeline. It does not keep the pipeline in memory: the registry outlives it.
type meter struct {
	*metrics
	p      weak.Pointer[stream.Pipeline]
	name   string
	sample sample
	runs   atomic.Int64 // that have ended

	parts map[stream.TopicPartition]*part // metrics.mu guards it and what is in it
}

// part is what a pipeline's assignments of a partition come to.
type part struct {
	row   *row
	epoch int32         // the last one that has ended in this run
	sum   stream.Totals // of those that have ended
	told  stream.Totals // what was last told
}

// watch starts to measure a pipeline. Whatever it may count is there from the start, since no rate
// shows an increase from nothing.
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
	m.alive() // so that those that have ended do not pile up between two scrapes
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meters = append(m.meters, t)
	m.names[t.name] = true
	return t
}

// alive returns the meters of pipelines that somebody still has, and the pipelines. It removes the
// others.
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

// part finds or makes a partition's part. metrics.mu is held.
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
		t.count(halted, e.Meta)
	case stream.Drained:
		t.over()
	}
}

func (t *meter) count(c column, m stream.Meta) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part(m.TopicPartition()).row.counts[c].Add(1)
}

// ended adds an assignment that is over to the sum. What is told must never fall: it would look
// like a restart.
func (t *meter) ended(tp stream.TopicPartition, epoch int32, last stream.Totals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.part(tp)
	q.epoch, q.sum = epoch, plus(q.sum, last)
	q.row.counts[again].Add(last.Uncommitted)
}

// over ends a run: the next one counts epochs from the start.
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

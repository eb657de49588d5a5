package prommetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/laneway-go/laneway/stream"
)

var (
	retrying  = ofPipeline("parked_retries", "Elements that wait for their next attempt.")
	postponed = ofPipeline("postponed", "Elements waiting for their next call because a breaker is open.")
	overruns  = ofPipeline("overrunning_handlers", "Handlers still running a second after their Timeout: they ignore their context.")
	waiting   = ofPipeline("lent_slots", "Waits that hold no worker: retries, dead-letter writes, throttles, acknowledgements, postponed calls.")
	running   = ofPipeline("running", "1 while the pipeline runs.")
	ready     = ofPipeline("ready", "1 while the pipeline runs, is connected and not draining.")
)

func ofPipeline(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("laneway_"+name, help, []string{"pipeline"}, nil)
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range columnDescs {
		ch <- d
	}
	for _, d := range []*prometheus.Desc{retrying, postponed, overruns, waiting, running, ready, blockedFor, degree, degreeBuilt, rate, rateBuilt} {
		ch <- d
	}
	for _, v := range m.vectors() {
		v.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	pipelines, partitions, blocks := m.read()
	collectBlocks(blocks, ch)
	for name, s := range pipelines {
		for d, v := range map[*prometheus.Desc]float64{retrying: s.retrying, postponed: s.postponed, overruns: s.overruns, waiting: s.waiting, running: s.running, ready: s.ready} {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name)
		}
		s.tuned.collect(name, ch)
	}
	for i := range partitions {
		ch <- &partitions[i]
	}
	for _, v := range m.vectors() {
		v.Collect(ch)
	}
}

// pipelineSums adds up the state of all pipelines of one name.
type pipelineSums struct {
	retrying, postponed, overruns, waiting, running, ready float64
	tuned                                                  tuned
}

// partitionSums adds up the state of one partition over all pipelines of one name.
type partitionSums struct {
	sum    [columns]float64
	exists [columns]bool
}

func (s *partitionSums) add(c column, v float64) {
	s.sum[c] += v
	s.exists[c] = true
}

// read reads the state of all pipelines.
func (m *metrics) read() (map[string]*pipelineSums, []point, map[block]time.Duration) {
	blocks := map[block]time.Duration{}
	pipelines, partitions := map[string]*pipelineSums{}, map[*row]*partitionSums{}
	ts, ps := m.alive()
	m.mu.Lock()
	for name := range m.names {
		pipelines[name] = &pipelineSums{tuned: tuned{}}
	}
	m.mu.Unlock()
	for i, t := range ts {
		t.sample.adapt(time.Second)
		still := t.read(ps[i], pipelines[t.name], partitions)
		still.blocks(ps[i], blocks)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := m.inOrder()
	sums := make([]partitionSums, len(rows))
	for i, r := range rows {
		if s := partitions[r]; s != nil {
			sums[i] = *s
		}
		for c := range counted {
			sums[i].add(c, float64(r.counts[c].Load()))
		}
		sums[i].totals(r.former)
	}
	points := make([]point, 0, len(rows)*int(columns))
	for c := range columns { // family by family, each sorted: that saves the registry the sorting
		for i, r := range rows {
			if s := &sums[i]; s.exists[c] {
				points = append(points, point{of: c, labels: r.labels, value: s.sum[c]})
			}
		}
	}
	return pipelines, points, blocks
}

// read adds the state of a pipeline, and returns which of its partitions do not move.
func (t *meter) read(p *stream.Pipeline, sums *pipelineSums, partitions map[*row]*partitionSums) (still suspects) {
	// before the snapshot: if the snapshot is of a finished run, its totals are already in the
	// parts
	run := t.runs.Load()
	s, now := p.Snapshot(), time.Now()
	sums.retrying += float64(s.Retrying)
	sums.postponed += float64(s.Postponed)
	sums.overruns += float64(s.Overruns)
	sums.waiting += float64(s.Waiting)
	sums.tuned.read(&s)
	sums.running += truth(s.Running)
	sums.ready += truth(p.Ready() == nil)

	t.mu.Lock()
	defer t.mu.Unlock()
	of := func(q *part) *partitionSums {
		if partitions[q.row] == nil {
			partitions[q.row] = &partitionSums{}
		}
		return partitions[q.row]
	}
	for _, trouble := range s.Troubles {
		q := t.part(trouble.TopicPartition)
		of(q).add(unreadable, 1)
		still.add(trouble.TopicPartition, q.row)
	}
	for i := range s.Partitions {
		state := &s.Partitions[i]
		q := t.part(state.TopicPartition)
		of(q).state(state, now)
		if q.stuck(state) {
			still.add(state.TopicPartition, q.row)
		}
		if run == t.runs.Load() && state.Epoch > q.epoch {
			q.told = most(q.told, plus(q.sum, state.Totals))
		}
	}
	for _, q := range t.parts {
		q.told = most(q.told, q.sum)
		of(q).totals(q.told)
	}
	return still
}

func (s *partitionSums) state(p *stream.PartitionState, now time.Time) {
	if p.Lag >= 0 {
		s.add(lag, float64(p.Lag))
		s.add(activeLag, float64(p.ActiveLag))
	}
	if p.LagTime >= 0 {
		s.add(lagTime, p.LagTime.Seconds())
	}
	if p.ActiveLagTime >= 0 {
		s.add(activeLagTime, p.ActiveLagTime.Seconds())
	}
	s.add(finishedAhead, float64(p.FinishedAhead))
	s.add(stateBytes, float64(p.StateBytes))
	if p.Committed >= 0 {
		s.add(committed, float64(p.Committed))
	}
	s.add(watermark, float64(p.Watermark))
	s.add(inFlight, float64(p.InFlight))
	s.add(inFlightBytes, float64(p.Bytes))
	s.add(uncommitted, float64(p.Totals.Uncommitted))
	s.add(frozen, truth(p.Halt != nil && p.Halt.By == ""))
	s.add(paused, truth(p.Halt != nil && p.Halt.By != ""))
	s.add(parked, float64(p.Parked))
	s.add(setAside, float64(p.SetAside))
	if p.SetAside > 0 {
		s.add(setAsideFrom, float64(p.SetAsideFrom))
	}
	s.add(unreadable, 0)
	if p.Since.IsZero() {
		s.add(age, 0)
	} else {
		s.add(age, now.Sub(p.Since).Seconds())
	}
}

func (s *partitionSums) totals(t stream.Totals) {
	s.add(handled, float64(t.Finished))
	s.add(fetched, float64(t.Delivered))
	s.add(fetchedBytes, float64(t.Bytes))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// point is a metric of a partition. Unlike prometheus.NewConstMetric it shares its labels with all
// points of its row, since there are many.
type point struct {
	of     column
	labels []*dto.LabelPair
	value  float64
}

// Desc implements prometheus.Metric.
func (p *point) Desc() *prometheus.Desc { return columnDescs[p.of] }

// Write implements prometheus.Metric.
func (p *point) Write(to *dto.Metric) error {
	to.Label = p.labels
	if p.of < counters {
		to.Counter = &dto.Counter{Value: &p.value}
	} else {
		to.Gauge = &dto.Gauge{Value: &p.value}
	}
	return nil
}

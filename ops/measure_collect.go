package ops

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/laneway-go/laneway/stream"
)

// stand is a metric that is read from a Snapshot.
type stand struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func standing(kind prometheus.ValueType, name, help string, labels []string) stand {
	return stand{prometheus.NewDesc("laneway_"+name, help, labels, nil), kind}
}

var (
	lag         = standing(prometheus.GaugeValue, "lag_records", "Offsets between what is committed (without a commit: the watermark) and the end of the log.", ofPartition)
	inFlight    = standing(prometheus.GaugeValue, "in_flight_records", "Records between the watermark and the fetch position, and below a commit.", ofPartition)
	inFlightB   = standing(prometheus.GaugeValue, "in_flight_bytes", "Payload that the records in flight keep in memory.", ofPartition)
	age         = standing(prometheus.GaugeValue, "watermark_age_seconds", "How long the oldest unfinished record has been here, which the watermark waits for; 0: none is.", ofPartition)
	watermark   = standing(prometheus.GaugeValue, "watermark_offset", "The offset that could be committed now.", ofPartition)
	committed   = standing(prometheus.GaugeValue, "committed_offset", "The offset that is committed.", ofPartition)
	uncommitted = standing(prometheus.GaugeValue, "uncommitted_records", "Records that are finished and not committed: they are done again if the partition goes elsewhere now.", ofPartition)
	frozen      = standing(prometheus.GaugeValue, "halted", "1 while the partition is frozen.", ofPartition)
	unreadable  = standing(prometheus.GaugeValue, "unreadable", "1 while the partition cannot be read: no leader, no offset to start from, no permission; -1: the topic.", ofPartition)
	handled     = standing(prometheus.CounterValue, "records_handled_total", "Records that were finished, whatever became of them.", ofPartition)
	fetched     = standing(prometheus.CounterValue, "fetched_records_total", "Records that the source has delivered.", ofPartition)
	fetchedB    = standing(prometheus.CounterValue, "fetched_bytes_total", "Payload of the records that the source has delivered.", ofPartition)
	parked      = standing(prometheus.GaugeValue, "parked_retries", "Elements that wait for their next attempt.", ofPipeline)
	lent        = standing(prometheus.GaugeValue, "lent_slots", "Workers' slots that are lent by whatever waits.", ofPipeline)
	running     = standing(prometheus.GaugeValue, "running", "1 while the pipeline runs.", ofPipeline)
	ready       = standing(prometheus.GaugeValue, "ready", "1 while the pipeline runs, is connected and not draining.", ofPipeline)

	stands = []stand{lag, inFlight, inFlightB, age, watermark, committed, uncommitted, frozen, unreadable, handled, fetched, fetchedB, parked, lent, running, ready}
)

// past is what a partition's earlier assignments came to, and what was last told of it.
type past struct {
	epoch int32 // the last one that has ended
	sum   stream.Totals
	told  stream.Totals
}

// ended adds an assignment that is over to the past. What is told must never fall: it would look like a restart.
func (t *meter) ended(tp stream.TopicPartition, epoch int32, last stream.Totals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.past[tp]
	p.epoch, p.sum = epoch, plus(p.sum, last)
	t.past[tp] = p
}

// over ends a run: the next one counts epochs anew.
func (t *meter) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for tp, p := range t.past {
		p.epoch = 0
		t.past[tp] = p
	}
}

// totals are those of all assignments of all partitions. A snapshot that is older than the word that its assignment is over counts for nothing.
func (t *meter) totals(now []stream.PartitionState) map[stream.TopicPartition]stream.Totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range now {
		p := t.past[s.TopicPartition]
		if s.Epoch > p.epoch {
			p.told = most(p.told, plus(p.sum, s.Totals))
		}
		t.past[s.TopicPartition] = p
	}
	all := make(map[stream.TopicPartition]stream.Totals, len(t.past))
	for tp, p := range t.past {
		p.told = most(p.told, p.sum)
		t.past[tp], all[tp] = p, p.told
	}
	return all
}

func plus(a, b stream.Totals) stream.Totals {
	return stream.Totals{Delivered: a.Delivered + b.Delivered, Bytes: a.Bytes + b.Bytes, Finished: a.Finished + b.Finished}
}

func most(a, b stream.Totals) stream.Totals {
	return stream.Totals{Delivered: max(a.Delivered, b.Delivered), Bytes: max(a.Bytes, b.Bytes), Finished: max(a.Finished, b.Finished)}
}

// Describe is prometheus.Collector's.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range stands {
		ch <- s.desc
	}
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

// Collect is prometheus.Collector's.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	watched := slices.Clone(m.watched)
	m.mu.Unlock()
	sums := sums{}
	for _, t := range watched {
		t.sample.adapt(time.Second)
		t.stand(sums)
	}
	for at, v := range sums {
		labels := []string{at.pipeline, at.topic, at.partition}
		if at.partition == "" {
			labels = labels[:1]
		}
		ch <- prometheus.MustNewConstMetric(at.of.desc, at.of.kind, v, labels...)
	}
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}

// sums are the values of pipelines, those of one name added up.
type sums map[series]float64

type series struct {
	of                         stand
	pipeline, topic, partition string
}

// stand adds how a pipeline stands.
func (t *meter) stand(sums sums) {
	s := t.p.Snapshot()
	add := func(of stand, v float64) { sums[series{of: of, pipeline: t.name}] += v }
	add(parked, float64(s.Parked))
	add(lent, float64(s.Lent))
	add(running, truth(s.Running))
	add(ready, truth(t.p.Ready() == nil))
	for _, p := range s.Partitions {
		add := func(of stand, v float64) { sums[series{of, t.name, p.Topic, strconv.Itoa(p.Partition)}] += v }
		if p.Lag >= 0 {
			add(lag, float64(p.Lag))
		}
		if p.Committed >= 0 {
			add(committed, float64(p.Committed))
		}
		add(watermark, float64(p.Watermark))
		add(inFlight, float64(p.InFlight))
		add(inFlightB, float64(p.Bytes))
		add(uncommitted, float64(p.Totals.Uncommitted))
		add(frozen, truth(p.Halt != nil))
		add(unreadable, 0)
		if p.Since.IsZero() {
			add(age, 0)
		} else {
			add(age, time.Since(p.Since).Seconds())
		}
	}
	for _, p := range s.Troubles {
		sums[series{unreadable, t.name, p.Topic, strconv.Itoa(p.Partition)}]++
	}
	for tp, total := range t.totals(s.Partitions) {
		add := func(of stand, v int64) { sums[series{of, t.name, tp.Topic, strconv.Itoa(tp.Partition)}] += float64(v) }
		add(handled, total.Finished)
		add(fetched, total.Delivered)
		add(fetchedB, total.Bytes)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

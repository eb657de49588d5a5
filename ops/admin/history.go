package admin

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

const (
	sampleEvery = 5 * time.Second
	samplesKept = 180 // 15 minutes
)

// history is the last 15 minutes of a pipeline. A sample reads what is counted anyway, so that no
// record pays for it.
type history struct {
	failed atomic.Int64 // attempts

	mu      sync.Mutex // guards the fields below; nothing is called under it
	seq     int64
	samples []adminapi.Sample
	last    counts
}

// counts are what rates are made of.
type counts struct {
	at       time.Time
	failed   int64
	finished map[assignment]int64
}

type assignment struct {
	stream.TopicPartition
	epoch int32
}

// hear counts failed attempts.
func (h *history) hear(e stream.Event) {
	if _, is := e.(stream.AttemptFailed); is {
		h.failed.Add(1)
	}
}

// stale reports whether nobody takes samples: a Handler has no goroutine for it.
func (h *history) stale() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last.at) > sampleEvery+sampleEvery/5
}

// take takes a sample.
func (h *history) take(p *stream.Pipeline) {
	one, now := adminapi.Sample{}, counts{failed: h.failed.Load(), finished: map[assignment]int64{}}
	var lag int64
	for _, s := range p.Snapshot().Partitions {
		now.finished[assignment{s.TopicPartition, s.Epoch}] = s.Totals.Finished
		one.InFlight += s.InFlight
		if s.ActiveLag >= 0 {
			lag += s.ActiveLag
			one.Lag = &lag
		}
	}
	now.at = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(one, now)
}

// add adds a sample with the rates since the last one. The caller holds mu.
func (h *history) add(one adminapi.Sample, now counts) {
	before := h.last
	past := now.at.Sub(before.at).Seconds()
	if past < 1 { // two have taken it at once
		return
	}
	if h.last = now; before.at.IsZero() {
		return
	}
	for a, n := range now.finished {
		one.FinishedPerSecond += float64(n-before.finished[a]) / past
	}
	one.FailedPerSecond = float64(now.failed-before.failed) / past
	h.seq++
	one.Seq, one.At = h.seq, now.at
	if len(h.samples) == samplesKept {
		h.samples = h.samples[1:] // append moves what is left now and then
	}
	h.samples = append(h.samples, one)
}

// since returns the samples after one, the oldest first.
func (h *history) since(after int64) adminapi.History {
	h.mu.Lock()
	defer h.mu.Unlock()
	body := adminapi.History{Samples: []adminapi.Sample{}, Next: h.seq}
	for _, one := range h.samples {
		if one.Seq > after {
			body.Samples = append(body.Samples, one)
		}
	}
	return body
}

// sample takes samples of all pipelines until ctx ends.
func (a *api) sample(ctx context.Context) {
	every := time.NewTicker(sampleEvery)
	defer every.Stop()
	for {
		for _, p := range a.pipelines {
			p.history.take(p.Pipeline)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *api) listHistory(r *http.Request, _ caller) (any, *problem) {
	p, bad := a.pipeline(r)
	if bad != nil {
		return nil, bad
	}
	after, bad := afterOf(r)
	if bad != nil {
		return nil, bad
	}
	if p.history.stale() {
		p.history.take(p.Pipeline)
	}
	return p.history.since(after), nil
}

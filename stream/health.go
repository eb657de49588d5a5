package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// server answers the paths of Serve.
func (w *watch) server() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", w.livez)
	mux.HandleFunc("GET /readyz", w.readyz)
	if w.metrics != nil {
		mux.Handle("/metrics", w.metrics)
	}
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
}

// closeServer gives requests in flight one second to finish.
func closeServer(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		_ = s.Close() // open requests are cut off: the process ends
	}
}

// livez is 200 in a drain even after failures: a restart would only cut the drain short.
func (w *watch) livez(out http.ResponseWriter, _ *http.Request) {
	if err := w.live(); err != nil && w.draining.Err() == nil {
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
		return
	}
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(out, "ok")
}

func (w *watch) live() error {
	var errs []error
	for _, p := range w.pipelines {
		errs = append(errs, p.Live())
	}
	return errors.Join(append(errs, w.stuck.look(w.pipelines, time.Now()))...)
}

// The body of /readyz, as JSON.
type (
	readiness struct {
		Ready     bool           `json:"ready"`
		Draining  bool           `json:"draining"`
		Pipelines []pipelineBody `json:"pipelines"`
	}
	pipelineBody struct {
		Name       string          `json:"name"`
		Ready      bool            `json:"ready"`
		Ended      bool            `json:"ended"`
		Reason     string          `json:"reason,omitempty"` // why it is not ready
		Partitions []partitionBody `json:"partitions"`
		Troubles   []troubleBody   `json:"troubles,omitempty"`
	}
	troubleBody struct { // a partition that cannot be read
		Source    string    `json:"source,omitempty"` // in a Merge
		Topic     string    `json:"topic"`
		Partition int       `json:"partition"` // -1: the whole topic
		Since     time.Time `json:"since"`
		Error     string    `json:"error"`
	}
	partitionBody struct {
		Source    string    `json:"source,omitempty"`
		Topic     string    `json:"topic"`
		Partition int       `json:"partition"`
		State     string    `json:"state"`
		Watermark int64     `json:"watermark"`
		Committed int64     `json:"committed"`
		Next      int64     `json:"next"`
		Lag       int64     `json:"lag"`
		InFlight  int       `json:"inFlight"`
		Halt      *haltBody `json:"halt,omitempty"`
		Parked    int       `json:"parked,omitempty"` // lanes and records
		Full      Cause     `json:"full,omitempty"`   // see PartitionState
	}
	haltBody struct {
		Offset   int64     `json:"offset"`
		Since    time.Time `json:"since"`
		Step     string    `json:"step"`
		Attempts int       `json:"attempts"`
		Error    string    `json:"error"`
	}
)

func (w *watch) readyz(out http.ResponseWriter, _ *http.Request) {
	body := w.readiness()
	out.Header().Set("Content-Type", "application/json")
	if !body.Ready {
		out.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(out).Encode(body) // fails only if the client has gone
}

func (w *watch) readiness() readiness {
	body := readiness{Draining: w.draining.Err() != nil}
	body.Ready = !body.Draining
	for i, p := range w.pipelines {
		b := p.body(w.hasEnded(i))
		body.Ready = body.Ready && b.Ready
		body.Pipelines = append(body.Pipelines, b)
	}
	return body
}

func (w *watch) hasEnded(i int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended[i]
}

// body describes a pipeline. One that has ended counts as ready.
func (p *Pipeline) body(ended bool) pipelineBody {
	b := pipelineBody{Name: p.plan.name, Ended: ended, Partitions: []partitionBody{}}
	if err := p.Ready(); err != nil && !ended {
		b.Reason = err.Error()
	}
	b.Ready = b.Reason == ""
	snap := p.Snapshot()
	for _, t := range snap.Troubles {
		b.Troubles = append(b.Troubles, troubleBody{t.Source, t.Topic, t.Partition, t.Since, t.Err.Error()})
	}
	for _, s := range snap.Partitions {
		part := partitionBody{Source: s.Source, Topic: s.Topic, Partition: s.Partition, State: s.State.String(),
			Watermark: s.Watermark, Committed: s.Committed, Next: s.Next, Lag: s.Lag, InFlight: s.InFlight, Parked: s.Parked, Full: s.Full}
		if h := s.Halt; h != nil {
			part.Halt = &haltBody{h.Meta.Offset, h.Since, h.Step, h.Attempts, h.Err.Error()}
		}
		b.Partitions = append(b.Partitions, part)
	}
	return b
}

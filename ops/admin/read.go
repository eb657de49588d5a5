package admin

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/laneway-go/laneway/ops/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

func (a *api) process(_ *http.Request, who caller) (any, *problem) {
	return processBody{Instance: a.instance, Started: a.started, At: time.Now(), Drains: a.drain != nil, Previews: a.previews != nil,
		You: youBody{who.name, who.scope.String()}}, nil
}

func (a *api) listPipelines(*http.Request, caller) (any, *problem) {
	body := pipelinesBody{Pipelines: []pipelineBody{}}
	for _, p := range a.pipelines {
		s := p.Snapshot()
		b := pipelineBody{ID: p.id, Running: s.Running, Reason: text(p.Ready()), Failed: text(p.Live()), Topology: topologyOf(p.Describe()),
			Counters: countersBody{s.Retrying, s.Postponed, s.Overruns, s.Waiting}, Troubles: []troubleBody{}}
		b.Ready = b.Reason == ""
		for _, t := range s.Troubles {
			one := troubleBody{Topic: legible.Text(t.Topic), Since: t.Since, Error: text(t.Err)}
			if t.Partition >= 0 {
				one.Partition = &t.Partition
			}
			b.Troubles = append(b.Troubles, one)
		}
		body.Pipelines = append(body.Pipelines, b)
	}
	return body, nil
}

func topologyOf(t stream.Topology) topologyBody {
	body := topologyBody{Source: legible.Text(t.Source), Guarantee: t.Guarantee, Text: legible.Text(t.String()), Stages: []stageBody{}}
	for _, sg := range t.Stages {
		b := stageBody{Degree: sg.Degree, Order: sg.Order, Commit: sg.Commit, Steps: []stepBody{}}
		for _, st := range sg.Steps {
			b.Steps = append(b.Steps, stepBody{legible.Text(st.Name), st.Word, legible.Text(st.Detail), append([]string{}, st.Policies...)})
		}
		body.Stages = append(body.Stages, b)
	}
	return body
}

func (a *api) partitions(r *http.Request, _ caller) (any, *problem) {
	p, bad := a.pipeline(r)
	if bad != nil {
		return nil, bad
	}
	states := p.Snapshot().Partitions
	tps := make([]stream.TopicPartition, len(states))
	for i, s := range states {
		tps[i] = s.TopicPartition
	}
	body := partitionsBody{Partitions: []partitionBody{}}
	for i, e := range p.Blocked(tps...) {
		s := states[i]
		why, _, _ := strings.Cut(e.String(), "\n")
		body.Partitions = append(body.Partitions, partitionBody{Topic: legible.Text(s.Topic), Partition: s.Partition, Epoch: s.Epoch,
			State: s.State.String(), Cause: string(e.Cause), Why: legible.Text(why), Since: when(e.Since),
			Watermark: s.Watermark, Committed: known(s.Committed), Next: s.Next, End: known(s.End), Lag: known(s.Lag),
			InFlight: s.InFlight, FinishedAhead: s.FinishedAhead, Bytes: s.Bytes,
			Totals: totalsBody{s.Totals.Delivered, s.Totals.Finished, s.Totals.Uncommitted, s.Totals.Bytes}})
	}
	return body, nil
}

// explain answers without a token too, but then with neither key nor stack.
func (a *api) explain(r *http.Request, who caller) (any, *problem) {
	p, bad := a.pipeline(r)
	if bad != nil {
		return nil, bad
	}
	n, err := strconv.Atoi(r.PathValue("partition"))
	if err != nil || n < 0 {
		return nil, errMissing(r.PathValue("partition") + " is no partition")
	}
	tp := stream.TopicPartition{Topic: r.PathValue("topic"), Partition: n}
	var e stream.Explanation
	if who.scope >= Read {
		e = p.Explain(tp)
	} else {
		e = p.Blocked(tp)[0]
	}
	return explanationOf(e, who), nil
}

// hidden stands in texts where a token would show a key.
const hidden = "hidden without a token"

func explanationOf(e stream.Explanation, who caller) explanationBody {
	body := explanationBody{Topic: legible.Text(e.Topic), Partition: e.Partition, At: e.At, Cause: string(e.Cause), Also: []string{},
		Since: when(e.Since), Until: when(e.Until), Step: legible.Text(e.Step), Attempt: e.Attempt, Error: text(e.Err), Detail: legible.Text(e.Detail),
		Stack: e.Stack, State: e.State.String(), Watermark: e.Watermark, Committed: known(e.Committed), Next: e.Next, End: known(e.End),
		Behind: e.Behind, BehindKey: e.BehindKey, FinishedAhead: e.FinishedAhead,
		Room: roomBody{e.Room.Records, e.Room.MaxRecords, e.Room.Bytes, e.Room.MaxBytes, known(e.Room.Ahead), known(e.Room.State)}}
	for _, c := range e.Also {
		body.Also = append(body.Also, string(c))
	}
	if m := e.Record; m != nil {
		body.Record = &recordBody{Offset: m.Offset, Time: when(m.Time), Delivered: e.Delivered}
		if who.scope >= Read {
			body.Record.Key = legible.Key(m.Key)
		} else if len(m.Key) > 0 {
			shown := *m
			shown.Key = []byte(hidden)
			e.Record = &shown
		}
	}
	body.Text = legible.Text(e.String())
	return body
}

// textMost bounds each error and stack of an answer.
const textMost = 8 << 10

func text(err error) string {
	if err == nil {
		return ""
	}
	return legible.Cut(err.Error(), textMost)
}

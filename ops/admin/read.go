package admin

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

func (a *api) process(_ *http.Request, who caller) (any, *problem) {
	return a.self(who), nil
}

func (a *api) self(who caller) adminapi.Process {
	return adminapi.Process{Instance: a.instance, Started: a.started, At: time.Now(), Drains: a.drain != nil, Previews: a.previews != nil,
		You: adminapi.You{Name: who.name, Scope: who.scope.String()}}
}

func (a *api) listPipelines(*http.Request, caller) (any, *problem) {
	body := adminapi.Pipelines{Pipelines: []adminapi.Pipeline{}}
	for _, p := range a.pipelines {
		s := p.Snapshot()
		b := adminapi.Pipeline{ID: p.id, Running: s.Running, Reason: text(p.Ready()), Failed: text(p.Live()), Topology: topologyOf(p.Describe(), p.work.look()),
			Counters: adminapi.Counters{Retrying: s.Retrying, Postponed: s.Postponed, Overruns: s.Overruns, Waiting: s.Waiting},
			Degrees:  degreesOf(s), Rates: ratesOf(s), Troubles: []adminapi.Trouble{}}
		b.Ready = b.Reason == ""
		for _, t := range s.Troubles {
			one := adminapi.Trouble{Source: legible.Text(t.Source), Topic: legible.Text(t.Topic), Since: t.Since, Error: text(t.Err)}
			if t.Partition >= 0 {
				one.Partition = &t.Partition
			}
			b.Troubles = append(b.Troubles, one)
		}
		body.Pipelines = append(body.Pipelines, b)
	}
	return body, nil
}

func topologyOf(t stream.Topology, work map[string]adminapi.Work) adminapi.Topology {
	body := adminapi.Topology{Source: legible.Text(t.Source), Sources: []adminapi.Source{}, Guarantee: t.Guarantee, Rate: t.Rate, Text: legible.Text(t.String()), Stages: []adminapi.Stage{}}
	for _, s := range t.Sources {
		body.Sources = append(body.Sources, adminapi.Source{ID: legible.Text(s.ID), Name: legible.Text(s.Name)})
	}
	for _, sg := range t.Stages {
		b := adminapi.Stage{Degree: sg.Degree, Order: sg.Order, Branch: texts(sg.Branch), Sources: texts(sg.Sources), Commit: sg.Commit, Steps: []adminapi.Step{}}
		for _, st := range sg.Steps {
			one := adminapi.Step{Name: legible.Text(st.Name), Word: st.Word, Detail: legible.Text(st.Detail), Policies: append([]string{}, st.Policies...), OnError: st.OnError(),
				Branch: texts(st.Branch), Sources: texts(st.Sources)}
			if w, measured := work[one.Name]; measured {
				one.Work = &w
			}
			b.Steps = append(b.Steps, one)
		}
		body.Stages = append(body.Stages, b)
	}
	return body
}

// texts are names, of which there may be none.
func texts(names []string) []string {
	all := []string{}
	for _, n := range names {
		all = append(all, legible.Text(n))
	}
	return all
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
	body := adminapi.Partitions{Partitions: []adminapi.Partition{}}
	for i, e := range p.Blocked(tps...) {
		s := states[i]
		why, _, _ := strings.Cut(e.String(), "\n")
		body.Partitions = append(body.Partitions, adminapi.Partition{Source: legible.Text(s.Source), Topic: legible.Text(s.Topic), Partition: s.Partition, Epoch: s.Epoch,
			State: s.State.String(), Cause: string(e.Cause), Why: legible.Text(why), Since: when(e.Since),
			Watermark: s.Watermark, Committed: known(s.Committed), Next: s.Next, End: known(s.End), Lag: known(s.Lag), LagSeconds: knownSeconds(s.LagTime), ActiveLag: known(s.ActiveLag),
			InFlight: s.InFlight, FinishedAhead: s.FinishedAhead, SetAside: s.SetAside, SetAsideFrom: positive(s.SetAsideFrom), Bytes: s.Bytes, Room: roomOf(e.Room),
			Totals: adminapi.Totals{Delivered: s.Totals.Delivered, Finished: s.Totals.Finished, Uncommitted: s.Totals.Uncommitted, Bytes: s.Totals.Bytes}})
	}
	return body, nil
}

func roomOf(r stream.Room) adminapi.Room {
	return adminapi.Room{Records: r.Records, MaxRecords: r.MaxRecords, Bytes: r.Bytes, MaxBytes: r.MaxBytes, Ahead: known(r.Ahead), State: known(r.State)}
}

// explain answers without a token too, but then with neither key nor stack.
func (a *api) explain(r *http.Request, who caller) (any, *problem) {
	p, tp, bad := a.place(r)
	if bad != nil {
		return nil, bad
	}
	var e stream.Explanation
	if who.scope >= Read {
		e = p.Explain(tp)
	} else {
		e = p.Blocked(tp)[0]
	}
	return explanationOf(e, who), nil
}

// place is the partition that the path names.
func (a *api) place(r *http.Request) (p piped, tp stream.TopicPartition, bad *problem) {
	if p, bad = a.pipeline(r); bad != nil {
		return p, tp, bad
	}
	n, err := strconv.Atoi(r.PathValue("partition"))
	if err != nil || n < 0 {
		return p, tp, errMissing(r.PathValue("partition") + " is no partition")
	}
	return p, stream.TopicPartition{Source: r.URL.Query().Get("source"), Topic: r.PathValue("topic"), Partition: n}, nil
}

// positive is nil for 0, which says "none".
func positive(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// hidden stands in texts where a token would show a key.
const hidden = "hidden without a token"

func explanationOf(e stream.Explanation, who caller) adminapi.Explanation {
	body := adminapi.Explanation{Source: legible.Text(e.Source), Topic: legible.Text(e.Topic), Partition: e.Partition, At: e.At, Cause: string(e.Cause), Also: []string{},
		Since: when(e.Since), Until: when(e.Until), Step: legible.Text(e.Step), Attempt: e.Attempt, Error: text(e.Err), Detail: legible.Text(e.Detail), Setting: legible.Text(e.Setting),
		Stack: e.Stack, State: e.State.String(), Watermark: e.Watermark, Committed: known(e.Committed), Next: e.Next, End: known(e.End),
		Behind: e.Behind, BehindKey: e.BehindKey, FinishedAhead: e.FinishedAhead, Room: roomOf(e.Room)}
	for _, c := range e.Also {
		body.Also = append(body.Also, string(c))
	}
	if m := e.Record; m != nil {
		body.Record = &adminapi.Record{Offset: m.Offset, Time: when(m.Time), Delivered: e.Delivered}
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

// known is nil for the values that say "unknown" or "none".
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// knownSeconds is known for durations.
func knownSeconds(d time.Duration) *float64 {
	if d < 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}

// when is nil also for a year that JSON has no time for: brokers take any.
func when(t time.Time) *time.Time {
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}

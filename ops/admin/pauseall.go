package admin

import (
	"fmt"
	"net/http"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// pauseAll stops the reading of each partition of a pipeline, in the epoch that the caller has
// seen.
func (a *api) pauseAll(r *http.Request, who caller) (any, *problem) {
	var body adminapi.PauseAll
	p, bad := a.asked(r, who, &body)
	if bad != nil {
		return nil, bad
	}
	if bad := amount(len(body.Partitions), adminapi.PartitionsMost, "partitions"); bad != nil {
		return nil, bad
	}
	var tps []stream.TopicPartition
	for i, s := range body.Partitions {
		tp, lacks := partitionOf(s)
		if lacks != "" {
			return nil, &problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("partition %d of the body has no %s: /v1/pipelines/%s/partitions shows it", i+1, lacks, p.id)}
		}
		tps = append(tps, tp)
	}
	answer, seen := adminapi.Paused{Results: []adminapi.PauseResult{}}, map[stream.TopicPartition]bool{}
	try := func(tp stream.TopicPartition, do func() error) {
		c := change{who: who, from: from(r), verb: "pause", pipeline: p.id, tp: tp, what: "of " + tp.String()}
		one := adminapi.PauseResult{Source: legible.Text(tp.Source), Topic: legible.Text(tp.Topic), Partition: tp.Partition, Status: http.StatusOK}
		if bad := a.make(&c, do); bad != nil {
			one.Status, one.Text = bad.Status, bad.Detail
		}
		answer.Results = append(answer.Results, one)
	}
	for i, tp := range tps {
		seen[tp] = true
		try(tp, func() error { return p.Pause(tp, *body.Partitions[i].Epoch, who.name, timeOf(body.Until)) })
	}
	paused := p.paused()
	for _, q := range p.Snapshot().Partitions {
		tp := q.TopicPartition
		if _, is := paused[tp]; is || seen[tp] {
			continue
		}
		try(tp, func() error {
			return staleError(tp.String() + " is assigned here, and not in the body: /v1/pipelines/" + p.id + "/partitions shows it")
		})
	}
	for i, tp := range tps {
		if one := &answer.Results[i]; one.Status == http.StatusOK {
			one.Text = lasts(tp, stream.ScopePartition, paused[tp])
			if h, is := paused[tp]; is {
				one.Halt = idOf(h)
			}
		}
	}
	return answer, nil
}

// paused is the pauses of a pipeline by their partitions.
func (p piped) paused() map[stream.TopicPartition]stream.Halt {
	all := map[stream.TopicPartition]stream.Halt{}
	for _, h := range p.Halts() {
		if h.By != "" && h.Scope == stream.ScopePartition {
			all[h.Meta.TopicPartition()] = h
		}
	}
	return all
}

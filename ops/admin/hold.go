package admin

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// pause stops the reading of a partition, in the epoch that the caller has seen.
func (a *api) pause(r *http.Request, who caller) (any, *problem) {
	var body adminapi.Pause
	return a.hold(r, who, "pause", &body, func(p piped) (held, *problem) {
		return held{&body.Hold, stream.ScopePartition, nil, func(tp stream.TopicPartition, until time.Time) error {
			return p.Pause(tp, *body.Epoch, who.name, until)
		}}, nil
	})
}

// park stops one key of a partition, in the epoch that the caller has seen.
func (a *api) park(r *http.Request, who caller) (any, *problem) {
	var body adminapi.Park
	return a.hold(r, who, "park", &body, func(p piped) (held, *problem) {
		key := []byte(body.Key)
		if body.KeyBase64 != "" {
			var err error
			if key, err = base64.StdEncoding.DecodeString(body.KeyBase64); err != nil {
				return held{}, &problem{Status: http.StatusBadRequest, Detail: "keyBase64 is not base64: " + err.Error()}
			}
		}
		if len(key) == 0 || body.Key != "" && body.KeyBase64 != "" {
			return held{}, &problem{Status: http.StatusBadRequest, Detail: "the body needs one of key and keyBase64, which is the key to park"}
		}
		return held{&body.Hold, stream.ScopeLane, key, func(tp stream.TopicPartition, until time.Time) error {
			return p.Park(tp, *body.Epoch, key, who.name, until)
		}}, nil
	})
}

// held is what a caller wants to stop.
type held struct {
	*adminapi.Hold
	scope stream.Scope
	key   []byte // of a lane
	begin func(tp stream.TopicPartition, until time.Time) error
}

// hold stops what ask makes of the body.
func (a *api) hold(r *http.Request, who caller, verb string, body any, ask func(piped) (held, *problem)) (any, *problem) {
	p, bad := a.asked(r, who, body)
	if bad != nil {
		return nil, bad
	}
	h, bad := ask(p)
	if bad != nil {
		return nil, bad
	}
	tp, lacks := partitionOf(h.Seen)
	if lacks != "" {
		return nil, &problem{Status: http.StatusBadRequest, Detail: "the body has no " + lacks + ": /v1/pipelines/" + p.id + "/partitions shows it"}
	}
	until := timeOf(h.Until)
	c := change{who: who, from: from(r), verb: verb, pipeline: p.id, tp: tp, what: "of " + tp.String()}
	if h.scope == stream.ScopeLane {
		c.what = "of a key of " + tp.String()
	}
	if bad := a.make(&c, func() error { return h.begin(tp, until) }); bad != nil {
		return nil, bad
	}
	return adminapi.Done{Done: true, Text: p.holds(tp, h, who)}, nil
}

// partitionOf is the partition that a caller has seen, or what is missing to know it.
func partitionOf(s adminapi.Seen) (tp stream.TopicPartition, lacks string) {
	switch {
	case s.Topic == "":
		return tp, "topic"
	case s.Partition == nil || *s.Partition < 0 || *s.Partition > math.MaxInt32:
		return tp, "partition from 0 on"
	case s.Epoch == nil:
		return tp, "epoch"
	}
	return stream.TopicPartition{Source: s.Source, Topic: s.Topic, Partition: *s.Partition}, ""
}

// timeOf is when a pause or a park ends by itself; zero: it does not.
func timeOf(until *time.Time) time.Time {
	if until == nil {
		return time.Time{}
	}
	return *until
}

// holds says how long what a caller has just stopped stays so.
func (p piped) holds(tp stream.TopicPartition, is held, who caller) string {
	for _, h := range p.Halts() {
		if h.By == who.name && h.Scope == is.scope && h.Meta.TopicPartition() == tp && bytes.Equal(h.Meta.Key, is.key) {
			return lasts(tp, is.scope, h)
		}
	}
	return lasts(tp, is.scope, stream.Halt{})
}

// lasts says how long a partition or a key stays stopped. A zero halt is over already.
func lasts(tp stream.TopicPartition, scope stream.Scope, h stream.Halt) string {
	what, begun := legible.Text(tp.String())+" is paused", "what was read before is finished"
	if scope == stream.ScopeLane {
		what, begun = "the key of "+legible.Text(tp.String())+" is parked", "what has begun of it is finished"
	}
	until, survives := "Resume", ", or until another worker has it"
	if h.Durable {
		survives = ", and survives rebalances and restarts"
	}
	if !h.ResumeAt.IsZero() {
		until = h.ResumeAt.Format(time.RFC3339) + " or Resume"
	}
	return fmt.Sprintf("%s until %s%s; %s", what, until, survives, begun)
}

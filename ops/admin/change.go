package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// patience is how long an answer waits for what it has asked for.
const patience = time.Second

// change is what a caller has asked for, for the log and the last events.
type change struct {
	who      caller
	from     string
	verb     string
	pipeline string
	tp       stream.TopicPartition // no topic: the whole process
	halt     string                // its id
	offset   *int64                // of a halt
	step     string                // whose degree or rate is set
	what     string                // was changed, in words
}

func (a *api) resume(r *http.Request, who caller) (any, *problem) {
	var body adminapi.Resume
	return a.release(r, who, "resume", &body, func() string { return body.Halt },
		func(p piped, h stream.Halt) error { return p.Resume(h) })
}

func (a *api) skip(r *http.Request, who caller) (any, *problem) {
	var body adminapi.Skip
	return a.release(r, who, "skip", &body, func() string { return body.Halt },
		func(p piped, h stream.Halt) error {
			switch {
			case body.From == nil && body.To == nil:
				return p.Skip(h)
			case body.From == nil || body.To == nil:
				return errors.New("from and to go together: they are the first and the last offset to skip")
			}
			return p.SkipRange(h, *body.From, *body.To)
		})
}

// release ends the halt that the caller has seen.
func (a *api) release(r *http.Request, who caller, verb string, body any, id func() string, end func(piped, stream.Halt) error) (any, *problem) {
	p, bad := a.asked(r, who, body)
	if bad != nil {
		return nil, bad
	}
	c := change{who: who, from: from(r), verb: verb, pipeline: p.id, halt: id()}
	h, bad := a.end(c, p.standing(), func(h stream.Halt) error { return end(p, h) })
	if bad != nil {
		return nil, bad
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	return p.waited(ctx, h), nil
}

// end ends the halt that the caller has seen, if it is still there.
func (a *api) end(c change, there standing, how func(stream.Halt) error) (h stream.Halt, _ *problem) {
	return h, a.make(&c, func() (err error) {
		if h, err = there.halt(c.halt); err != nil {
			return err
		}
		c.tp, c.offset, c.what = h.Meta.TopicPartition(), &h.Meta.Offset, "of "+h.Meta.String()
		return how(h)
	})
}

// make makes a change, and tells of it, or of why it was refused.
func (a *api) make(c *change, do func() error) *problem {
	err := do()
	if err == nil {
		a.tell(*c, c.what, true)
		return nil
	}
	bad := because(err)
	if c.halt != "" && bad.Status == http.StatusConflict || errors.Is(err, stream.ErrSeen) {
		bad.Detail += a.events.faster(*c)
	}
	a.tell(*c, bad.Detail, false)
	return bad
}

// asked reads what somebody who may operate asks of a pipeline.
func (a *api) asked(r *http.Request, who caller, body any) (piped, *problem) {
	if bad := a.needs(who, Operate); bad != nil {
		return piped{}, bad
	}
	p, bad := a.pipeline(r)
	if bad != nil {
		return piped{}, bad
	}
	return p, read(r, body)
}

// waited is the answer once the halt is over, or at the end of ctx.
func (p piped) waited(ctx context.Context, h stream.Halt) adminapi.Done {
	err := p.WaitResumed(ctx, h)
	switch {
	case err == nil:
		return adminapi.Done{Done: true, Text: h.Meta.TopicPartition().String() + " continues"}
	case ctx.Err() != nil:
		return adminapi.Done{Text: "it continues once the records that were started before the halt have finished"}
	}
	return adminapi.Done{Text: err.Error()}
}

// drainAll ends the process as a signal does.
func (a *api) drainAll(r *http.Request, who caller) (any, *problem) {
	if bad := a.needs(who, Operate); bad != nil {
		return nil, bad
	}
	if a.drain == nil {
		return nil, errMissing("this server cannot drain: it has no stream.Supervisor; stop the process instead")
	}
	var body adminapi.Drain
	if bad := read(r, &body); bad != nil {
		return nil, bad
	}
	c := change{who: who, from: from(r), verb: "drain", what: "of all pipelines"}
	if bad := a.make(&c, func() error {
		if body.Instance != a.instance {
			return staleError("this is process " + a.instance + ", not " + body.Instance + ": /v1/process names it")
		}
		return nil
	}); bad != nil {
		return nil, bad
	}
	a.drain(fmt.Errorf("%s asked for it, from %s", who.name, from(r)))
	return adminapi.Done{Text: "all pipelines drain, and the process ends"}, nil
}

// read reads the body of a change.
func read(r *http.Request, body any) *problem {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(body)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.Join(errors.New("there is more after its JSON value"), err)
	}
	return tooLarge(err)
}

// tooLarge is why a body was not read.
func tooLarge(err error) *problem {
	if large, is := errors.AsType[*http.MaxBytesError](err); is {
		return &problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the body is larger than %d bytes", large.Limit)}
	}
	return &problem{Status: http.StatusBadRequest, Detail: "the body cannot be read: " + err.Error()}
}

// tell logs a change, and keeps it in the last events.
func (a *api) tell(c change, what string, made bool) {
	fields := []any{"by", c.who.name, "from", c.from, "change", c.verb}
	if c.pipeline != "" {
		fields = append(fields, "pipeline", c.pipeline)
	}
	if c.tp.Source != "" {
		fields = append(fields, "source", c.tp.Source)
	}
	if c.tp.Topic != "" {
		fields = append(fields, "topic", c.tp.Topic, "partition", c.tp.Partition)
	}
	if c.offset != nil {
		fields = append(fields, "offset", *c.offset)
	}
	if c.step != "" {
		fields = append(fields, "step", c.step)
	}
	if made {
		a.log.Info("admin change", append(fields, "what", what)...)
	} else {
		a.log.Warn("admin change refused", append(fields, "reason", what)...)
	}
	a.events.change(c, what, made)
}

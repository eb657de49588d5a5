package admin

import (
	"fmt"
	"net/http"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// degree changes how many elements a step works on at a time, from the number that the caller has
// seen.
func (a *api) degree(r *http.Request, who caller) (any, *problem) {
	var body adminapi.SetDegree
	return a.tune(r, who, "degree", &body, func(p piped) (tuned, *problem) {
		if body.Step == "" || body.Seen == nil || body.Degree == nil {
			return tuned{}, lacks("step, seen and degree", p)
		}
		n := int(*body.Degree)
		return tuned{
			step: body.Step,
			what: fmt.Sprintf("of %s from %d to %d, until restart", body.Step, *body.Seen, n),
			set:  func() error { return p.SetDegree(body.Step, int(*body.Seen), n) },
			is:   func() adminapi.Done { return p.degreeIs(body.Step, n) },
		}, nil
	})
}

// rate changes how many elements pass a Throttle in a second, or how many records the pipeline
// starts, from the number that the caller has seen.
func (a *api) rate(r *http.Request, who caller) (any, *problem) {
	var body adminapi.SetRate
	return a.tune(r, who, "rate", &body, func(p piped) (tuned, *problem) {
		if body.Seen == nil || body.PerSecond == nil {
			return tuned{}, lacks("seen and perSecond", p)
		}
		of := body.Step
		if of == "" {
			of = "the pipeline"
		}
		return tuned{
			step: body.Step,
			what: fmt.Sprintf("of %s from %s to %s, until restart", of, adminapi.RateText(*body.Seen), adminapi.RateText(*body.PerSecond)),
			set:  func() error { return p.SetRate(body.Step, *body.Seen, *body.PerSecond) },
			is: func() adminapi.Done {
				return adminapi.Done{Done: true, Text: fmt.Sprintf("the rate of %s is %s on this replica until restart", of, adminapi.RateText(*body.PerSecond))}
			},
		}, nil
	})
}

// tuned is a number that a caller wants to change.
type tuned struct {
	step string
	what string
	set  func() error
	is   func() adminapi.Done
}

// tune changes what ask makes of the body.
func (a *api) tune(r *http.Request, who caller, verb string, body any, ask func(piped) (tuned, *problem)) (any, *problem) {
	p, bad := a.asked(r, who, body)
	if bad != nil {
		return nil, bad
	}
	t, bad := ask(p)
	if bad != nil {
		return nil, bad
	}
	c := change{who: who, from: from(r), verb: verb, pipeline: p.id, step: t.step, what: t.what}
	if bad := a.make(&c, t.set); bad != nil {
		return nil, bad
	}
	return t.is(), nil
}

func lacks(fields string, p piped) *problem {
	return &problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("the body needs %s: /v1/pipelines shows what %s has", fields, p.id)}
}

// degreeIs says what a degree is now, and whether more elements are at work.
func (p piped) degreeIs(step string, n int) adminapi.Done {
	text := fmt.Sprintf("%s works on up to %d at a time on this replica until restart", step, n)
	for _, d := range p.Snapshot().Degrees {
		if d.Step == step && d.Busy > n {
			return adminapi.Done{Text: fmt.Sprintf("%s; %d are at work, and no other one begins until fewer than %d are", text, d.Busy, n)}
		}
	}
	return adminapi.Done{Done: true, Text: text}
}

func degreesOf(s stream.Snapshot) []adminapi.Degree {
	all := []adminapi.Degree{}
	for _, d := range s.Degrees {
		all = append(all, adminapi.Degree(d))
	}
	return all
}

func ratesOf(s stream.Snapshot) []adminapi.Rate {
	all := []adminapi.Rate{}
	for _, r := range s.Rates {
		all = append(all, adminapi.Rate(r))
	}
	return all
}

package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// amount refuses a body that names none, or too many.
func amount(n, most int, what string) *problem {
	if n > 0 && n <= most {
		return nil
	}
	return &problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("the body has %d %s: send from 1 to %d %s", n, what, most, what)}
}

// resumeMany ends the halts that the caller has seen, each by itself.
func (a *api) resumeMany(r *http.Request, who caller) (any, *problem) {
	var body adminapi.ResumeMany
	p, bad := a.asked(r, who, &body)
	if bad != nil {
		return nil, bad
	}
	if bad := amount(len(body.Halts), adminapi.HaltsMost, "halts"); bad != nil {
		return nil, bad
	}
	if i := slices.IndexFunc(body.Halts, func(id string) bool { return id == "" || len(id) > idLength }); i >= 0 {
		return nil, &problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("halt %d has no id: /v1/halts shows it", i+1)}
	}
	there, ended := p.standing(), make([]stream.Halt, len(body.Halts))
	answer := adminapi.Resumed{Results: make([]adminapi.Result, len(body.Halts))}
	for i, id := range body.Halts {
		c := change{who: who, from: from(r), verb: "resume", pipeline: p.id, halt: id}
		h, bad := a.end(c, there, p.Resume)
		if answer.Results[i] = (adminapi.Result{Halt: id, Status: http.StatusOK}); bad != nil {
			answer.Results[i].Status, answer.Results[i].Text = bad.Status, bad.Detail
		}
		ended[i] = h
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	for i, h := range ended {
		if one := &answer.Results[i]; one.Status == http.StatusOK {
			done := p.waited(ctx, h)
			one.Done, one.Text = done.Done, done.Text
		}
	}
	return answer, nil
}

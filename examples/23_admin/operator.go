package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops/admin"
)

// operator is on call, and knows of the worker what its API says.
type operator struct {
	*demo.Demo
	handler *handler
	secret  string
	halted  <-chan struct{}
	url     string
}

// beside runs the worker, and the operator beside it, until done is closed and the operator has
// finished.
func (o *operator) beside(ctx context.Context, api *admin.Server, done <-chan struct{}, run func(context.Context) error) (err error) {
	watching, rest := context.WithCancel(ctx)
	var wg conc.WaitGroup
	defer wg.Wait()
	defer rest()
	over := make(chan struct{}) // closed by the operator: all is committed, and it has asked what it wants
	wg.Go(func() {
		defer close(over)
		at, err := api.Addr(watching)
		if err != nil {
			return
		}
		o.url = "http://" + at.String()
		o.Say("console  %s", o.url)
		if o.Forever {
			o.Say("token    %s", o.secret)
		}
		select {
		case <-o.halted:
		case <-watching.Done():
			return
		}
		o.handler.fixed.Store(true) // like the fix of a dependency
		if !o.Forever {
			o.release(watching)
		}
		select {
		case <-done:
		case <-watching.Done():
		}
	})
	return o.RunUntil(ctx, over, run)
}

// halt is what the operator needs of one: see /v1/openapi.json.
type halt struct {
	ID, Pipeline, Topic, Error, Resume string
	Partition                          int
	Offset                             int64
}

// release finds the halt and ends it.
func (o *operator) release(ctx context.Context) {
	var found struct{ Halts []halt }
	status := o.ask(ctx, http.MethodGet, "/v1/halts", "", nil, &found)
	poison := o.handler.poison
	if len(found.Halts) != 1 {
		o.Check("found", false, "%d, %d halts", status, len(found.Halts))
		return
	}
	h := found.Halts[0]
	o.Check("found", h.Topic == poison.Topic && h.Partition == poison.Partition && h.Offset == poison.Offset,
		"%s[%d]@%d is halted: %s", h.Topic, h.Partition, h.Offset, h.Error)

	pipeline := "/v1/pipelines/" + url.PathEscape(h.Pipeline)
	var why struct{ Text string }
	o.ask(ctx, http.MethodGet, fmt.Sprintf("%s/partitions/%s/%d", pipeline, url.PathEscape(h.Topic), h.Partition), o.secret, nil, &why)
	o.Say("%s", why.Text)

	path, seen := pipeline+"/resume", map[string]string{"halt": h.ID}
	var answer struct{ Text, Detail string }
	status = o.ask(ctx, http.MethodPost, path, "", seen, &answer)
	o.Check("guarded", status == http.StatusUnauthorized, "without a token: %d, %s", status, answer.Detail)
	status = o.ask(ctx, http.MethodPost, path, o.secret, seen, &answer)
	o.Check("released", status == http.StatusOK, "%s It answers: %s", h.Resume, answer.Text)
	status = o.ask(ctx, http.MethodPost, path, o.secret, seen, &answer)
	o.Check("once", status == http.StatusConflict, "a colleague who tries the same: %d", status)

	var told struct {
		Events []struct{ Kind, Text, By string }
	}
	o.ask(ctx, http.MethodGet, "/v1/events", o.secret, nil, &told)
	who := ""
	for _, e := range told.Events {
		if e.Kind == "resume" && who == "" {
			who = e.By
		}
	}
	o.Check("kept", who == "olaf", "the last events say that it was %s", who)
}

// ask sends a request and returns the status; 0 if there was no answer.
func (o *operator) ask(ctx context.Context, method, path, secret string, send, receive any) int {
	status, err := o.exchange(ctx, method, path, secret, send, receive)
	if err != nil {
		o.Say("%v", err)
	}
	return status
}

func (o *operator) exchange(ctx context.Context, method, path, secret string, send, receive any) (int, error) {
	body, err := json.Marshal(send)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, method, o.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	r.Close = true // leaves no connection open
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, json.NewDecoder(resp.Body).Decode(receive)
}

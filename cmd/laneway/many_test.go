package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// crowd is a process with many halts and partitions, which counts how many it is asked to change at
// a time. A halt in gone has been released by somebody else. A partition in late has come since.
type crowd struct {
	halts      []adminapi.Halt
	gone       string
	partitions []adminapi.Partition
	late       string
	refuses    *adminapi.Problem // every change

	mu    sync.Mutex // guards asked
	asked []int
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(body any) { _ = json.NewEncoder(w).Encode(body) }
	switch r.URL.Path {
	case "/v1/process":
		answer(adminapi.Process{Instance: "one"})
	case "/v1/pipelines":
		answer(adminapi.Pipelines{Pipelines: []adminapi.Pipeline{{ID: "billing"}}})
	case "/v1/pipelines/billing/partitions":
		answer(adminapi.Partitions{Partitions: c.partitions})
	case "/v1/halts":
		answer(adminapi.Halts{Halts: c.halts})
	case "/v1/pipelines/billing/pause-all":
		var body adminapi.PauseAll
		_ = json.NewDecoder(r.Body).Decode(&body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, len(body.Partitions))
		var done adminapi.Paused
		for _, q := range body.Partitions {
			done.Results = append(done.Results, adminapi.PauseResult{Topic: q.Topic, Partition: *q.Partition, Status: http.StatusOK, Text: "paused until Resume"})
		}
		answer(adminapi.Paused{Results: append(done.Results, adminapi.PauseResult{Topic: c.late, Status: http.StatusConflict, Text: "not in the body"})})
	case "/v1/pipelines/billing/resume-many":
		if c.refuses != nil {
			w.WriteHeader(c.refuses.Status)
			answer(c.refuses)
			return
		}
		var body adminapi.ResumeMany
		_ = json.NewDecoder(r.Body).Decode(&body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, len(body.Halts))
		var done adminapi.Resumed
		for _, id := range body.Halts {
			one := adminapi.Result{Halt: id, Status: http.StatusOK, Done: true, Text: "orders[0] continues"}
			if id == c.gone {
				one = adminapi.Result{Halt: id, Status: http.StatusConflict, Text: "somebody was faster"}
			}
			done.Results = append(done.Results, one)
		}
		answer(done)
	default:
		http.NotFound(w, r)
	}
}

func TestResumeMany(t *testing.T) {
	t.Run("resumes thousands with few requests, and one that is gone stops no other", func(t *testing.T) {
		c := &crowd{gone: "00000004"}
		for i := range 2500 {
			c.halts = append(c.halts, adminapi.Halt{ID: fmt.Sprintf("%08d", i), Pipeline: "billing", Scope: "record", Topic: "orders", Offset: int64(i), Step: "charge"})
		}
		s := httptest.NewServer(c)
		defer s.Close()
		var out, errs bytes.Buffer
		err := run(t.Context(), []string{"resume", "--all", "--at", s.URL, "--timeout", "1m"}, &out, &errs)
		if code := exitCode(err); code != exitConflict || !strings.Contains(told(err), "resume orders[0]@4") || !strings.Contains(told(err), "somebody was faster") {
			t.Errorf("exit code %d: %.300s", code, told(err))
		}
		if n := strings.Count(out.String(), "done: resume orders[0]@"); n != 2499 {
			t.Errorf("%d are done:\n%.300s", n, &out)
		}
		if slices.Sort(c.asked); !slices.Equal(c.asked, []int{500, 1000, 1000}) {
			t.Errorf("requests for %v halts", c.asked)
		}
	})
	t.Run("tells once that a request was refused as a whole", func(t *testing.T) {
		c := &crowd{refuses: &adminapi.Problem{Status: http.StatusForbidden, Detail: "rita has the scope read"}}
		for i := range 1500 {
			c.halts = append(c.halts, adminapi.Halt{ID: fmt.Sprintf("%08d", i), Pipeline: "billing", Scope: "record", Topic: "orders", Offset: int64(i), Step: "charge"})
		}
		s := httptest.NewServer(c)
		defer s.Close()
		var out, errs bytes.Buffer
		err := run(t.Context(), []string{"resume", "--all", "--at", s.URL, "--timeout", "1m"}, &out, &errs)
		at := strings.TrimPrefix(s.URL, "http://")
		want := fmt.Sprintf("laneway: resume 1000 halts of billing at %s: rita has the scope read\nlaneway: resume 500 halts of billing at %[1]s: rita has the scope read", at)
		if told(err) != want || exitCode(err) != exitRefused || out.Len() > 0 {
			t.Errorf("exit code %d: %.500s\n%.300s", exitCode(err), told(err), &out)
		}
	})
}

func TestPauseAll(t *testing.T) {
	t.Run("pauses a pipeline with one request, and tells of a partition that has come since", func(t *testing.T) {
		c := &crowd{late: "refunds"}
		for i := range 500 {
			c.partitions = append(c.partitions, adminapi.Partition{Topic: "orders", Partition: i, Epoch: 1})
		}
		c.halts = []adminapi.Halt{{ID: "00000001", Pipeline: "billing", Scope: "partition", Topic: "orders", Partition: 3, By: "olaf"}}
		s := httptest.NewServer(c)
		defer s.Close()
		var out, errs bytes.Buffer
		err := run(t.Context(), []string{"pause", "--all", "--at", s.URL, "--timeout", "1m"}, &out, &errs)
		at := strings.TrimPrefix(s.URL, "http://")
		if exitCode(err) != exitConflict || told(err) != "laneway: pause refunds[0] at "+at+": not in the body" {
			t.Errorf("exit code %d: %.300s", exitCode(err), told(err))
		}
		if n := strings.Count(out.String(), "done: pause orders["); n != 499 || strings.Contains(out.String(), "orders[3] ") {
			t.Errorf("%d are done:\n%.300s", n, &out)
		}
		if !slices.Equal(c.asked, []int{499}) {
			t.Errorf("requests for %v partitions", c.asked)
		}
	})
}

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

// crowd is a process with many halts, which counts how many it is asked to resume at a time. Halts
// in gone have been released by somebody else.
type crowd struct {
	halts []adminapi.Halt
	gone  string

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
		answer(adminapi.Partitions{})
	case "/v1/halts":
		answer(adminapi.Halts{Halts: c.halts})
	case "/v1/pipelines/billing/resume-many":
		var body adminapi.ResumeMany
		_ = json.NewDecoder(r.Body).Decode(&body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, len(body.Halts))
		var done adminapi.Resumed
		for _, id := range body.Halts {
			one := adminapi.Result{Halt: id, Status: http.StatusOK, Done: true, Text: "orders[0] goes on"}
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
}

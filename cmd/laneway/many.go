package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// batch resumes halts of one pipeline at one replica with one request.
type batch struct {
	at       adminapi.Replica
	pipeline string
	halts    []string

	once    sync.Once // sets the fields below
	results []adminapi.Result
	err     error
}

// resumes returns the changes that resume halts, in as few requests as they need.
func resumes(hs []halted) (all []change) {
	open := map[[2]string]*batch{}
	for _, h := range hs {
		where := [2]string{h.At, h.Pipeline}
		b := open[where]
		if b == nil || len(b.halts) == adminapi.HaltsMost {
			b = &batch{at: h.view.replica, pipeline: h.Pipeline}
			open[where] = b
		}
		i := len(b.halts)
		b.halts = append(b.halts, h.ID)
		c := h.released("resume", h.Resume)
		c.make = func(ctx context.Context) (adminapi.Done, error) { return b.resume(ctx, i) }
		all = append(all, c)
	}
	return all
}

// resume returns what came of a halt of the batch. The first call sends the request, the others
// wait for its answer.
func (b *batch) resume(ctx context.Context, i int) (adminapi.Done, error) {
	b.once.Do(func() {
		b.results, b.err = b.at.ResumeMany(ctx, b.pipeline, adminapi.ResumeMany{Halts: b.halts})
		if b.err == nil && len(b.results) != len(b.halts) {
			b.err = fmt.Errorf("the answer tells of %d halts, not of %d", len(b.results), len(b.halts))
		}
	})
	if b.err != nil {
		return adminapi.Done{}, b.err
	}
	r := b.results[i]
	return adminapi.Done{Done: r.Done, Text: r.Text}, r.Err()
}

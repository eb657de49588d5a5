package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// batch is one request that makes several changes of a pipeline at one replica.
type batch struct {
	send     func(context.Context) ([]outcome, error)
	pipeline string
	noun     string // what one of the changes is about
	of       int    // changes

	once    sync.Once // sets the fields below
	results []outcome
	err     error
}

// outcome is what came of one change of a batch.
type outcome struct {
	adminapi.Done
	err error
}

// refusedWhole is the error of all changes of a batch, whose request was refused or not answered.
type refusedWhole struct {
	error
	what string
}

func (e *refusedWhole) Unwrap() error { return e.error }

// next adds a change to the batch. The first change that is made sends the request, the others wait
// for its answer.
func (b *batch) next() func(context.Context) (adminapi.Done, error) {
	i := b.of
	b.of++
	return func(ctx context.Context) (adminapi.Done, error) {
		b.once.Do(func() { b.results, b.err = b.made(ctx) })
		if b.err != nil {
			return adminapi.Done{}, b.err
		}
		return b.results[i].Done, b.results[i].err
	}
}

func (b *batch) made(ctx context.Context) ([]outcome, error) {
	results, err := b.send(ctx)
	if err == nil && len(results) != b.of {
		err = fmt.Errorf("the answer tells of %d %ss, not of %d", len(results), b.noun, b.of)
	}
	if err != nil && b.of > 1 {
		err = &refusedWhole{err, counted(b.of, b.noun) + " of " + b.pipeline}
	}
	return results, err
}

// resumes returns the changes that resume halts, in as few requests as they need. noun is what one
// of them is.
func resumes(hs []halted, noun string) (all []change) {
	type resuming struct {
		batch
		halts []string
	}
	open := map[[2]string]*resuming{}
	for _, h := range hs {
		where := [2]string{h.At, h.Pipeline}
		b := open[where]
		if b == nil || b.of == adminapi.HaltsMost {
			b = &resuming{batch: batch{pipeline: h.Pipeline, noun: noun}}
			b.send = func(ctx context.Context) (all []outcome, _ error) {
				results, err := h.view.replica.ResumeMany(ctx, h.Pipeline, adminapi.ResumeMany{Halts: b.halts})
				for _, r := range results {
					all = append(all, outcome{adminapi.Done{Done: r.Done, Text: r.Text}, r.Err()})
				}
				return all, err
			}
			open[where] = b
		}
		b.halts = append(b.halts, h.ID)
		c := h.released("resume", h.Resume)
		c.make = b.next()
		all = append(all, c)
	}
	return all
}

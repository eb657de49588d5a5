package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/sourcegraph/conc/iter"
	"golang.org/x/term"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// change is a change to make, at a replica or to the state that a group has stored.
type change struct {
	Verb     string `json:"verb"`
	What     string `json:"what"` // the partition, record or process
	At       string `json:"replica,omitempty"`
	Group    string `json:"group,omitempty"`
	Pipeline string `json:"pipeline,omitempty"`
	Halt     string `json:"halt,omitempty"`
	Effect   string `json:"effect,omitempty"` // what it will do

	make func(context.Context) (adminapi.Done, error)
}

// where the change is made.
func (c change) where() string {
	if c.Group != "" {
		return "in group " + c.Group
	}
	return "at " + c.At
}

// changed is the outcome of a change.
type changed struct {
	change
	Outcome string `json:"outcome"` // done, under way, would, or failed
	Text    string `json:"text,omitempty"`

	err error
}

const (
	isDone     = "done"
	isUnderWay = "under way"
	isDry      = "would"
	isFailed   = "failed"
)

// atOnce is how many changes are made at a time.
const atOnce = 8

// makeAll makes the changes, or shows them if dry is set. It returns the errors of those that were
// refused.
func makeAll(ctx context.Context, changes []change, dry bool, errs io.Writer) (all []changed, err error) {
	p := counting{out: errs, of: len(changes)}
	all = iter.Mapper[change, changed]{MaxGoroutines: atOnce}.Map(changes, func(c *change) changed {
		if dry {
			return changed{change: *c, Outcome: isDry}
		}
		defer p.one()
		done, err := c.make(ctx)
		switch {
		case err != nil:
			return changed{*c, isFailed, err.Error(), err}
		case !done.Done:
			return changed{*c, isUnderWay, done.Text, nil}
		}
		return changed{*c, isDone, done.Text, nil}
	})
	p.end()
	told := map[*refusedWhole]bool{}
	for _, c := range all {
		what := c.What
		if whole, is := errors.AsType[*refusedWhole](c.err); is {
			if told[whole] {
				continue
			}
			told[whole], what = true, whole.what
		}
		err = errors.Join(err, c.refused(what, c.err))
	}
	return all, err
}

// refused is the error of a change that was not made; nil: it was.
func (c change) refused(what string, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if p, is := errors.AsType[*adminapi.Problem](err); is {
		text = refusal(p)
	}
	return said{fmt.Sprintf("%s %s %s: %s", c.Verb, what, c.where(), text), err}
}

// write shows the outcome of each change, and returns the errors of those that failed.
func (o output) write(w io.Writer, all []changed, errs ...error) error {
	err := errors.Join(errs...)
	if o == asJSON {
		return errors.Join(err, writeJSON(w, struct {
			Changes []changed `json:"changes"`
		}{append([]changed{}, all...)}))
	}
	if len(all) == 0 && err == nil {
		fmt.Fprintln(w, "There is nothing to do.")
	}
	for _, c := range all {
		switch c.Outcome {
		case isFailed:
		case isDry:
			fmt.Fprintf(w, "would %s %s %s. %s\n", c.Verb, cell(c.What), c.where(), cell(c.Effect))
		default:
			fmt.Fprintf(w, "%s: %s %s %s: %s\n", c.Outcome, c.Verb, cell(c.What), c.where(), cell(c.Text))
		}
	}
	return err
}

// counting shows on a terminal how many changes have been made.
type counting struct {
	out io.Writer
	of  int

	mu   sync.Mutex // guards made, and keeps lines whole
	made int
}

func (c *counting) shows() bool { return c.of > atOnce && isTerminal(c.out) }

func (c *counting) one() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made++; c.shows() {
		fmt.Fprintf(c.out, "\r%d of %d", c.made, c.of)
	}
}

func (c *counting) end() {
	if c.shows() {
		fmt.Fprint(c.out, "\r\x1b[K")
	}
}

func isTerminal(w any) bool {
	f, is := w.(*os.File)
	return is && term.IsTerminal(int(f.Fd()))
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/inspect"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/resume"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// edit is a change of a partition's stored state. All changes to its halts are stored at once.
type edit struct {
	part      *storedPart
	committed int64
	state     resume.State

	once sync.Once
	err  error
}

func newEdit(p *storedPart) *edit {
	return &edit{part: p, committed: p.Committed, state: resume.State{
		Finished: slices.Clone(p.state.Finished), Asides: p.state.Asides, Halts: slices.Clone(p.state.Halts), Attempts: slices.Clone(p.state.Attempts)}}
}

// retry makes the next worker retry a halt's record.
func (e *edit) retry(h storedHalt) {
	e.state.Halts = slices.DeleteFunc(e.state.Halts, func(is resume.Halt) bool { return reflect.DeepEqual(is, h.Halt) })
}

// skip counts a halt's record as finished.
func (e *edit) skip(h storedHalt) error {
	if h.By != "" {
		return fmt.Errorf("%v is %s, and no record has failed: resume ends it", h.part, h.why())
	}
	if h.Last > h.Offset {
		return fmt.Errorf("%s: the state does not say which of these records the halt covers: start a worker, and skip it there", h.span())
	}
	// it is finished for all its halts, and another one of them may have been skipped before
	e.state.Halts = slices.DeleteFunc(e.state.Halts, func(is resume.Halt) bool { return is.By == "" && is.Offset == h.Offset && is.Last == h.Last })
	e.state.Attempts = slices.DeleteFunc(e.state.Attempts, func(a resume.Attempts) bool { return a.Offset == h.Offset })
	if h.Offset >= e.committed && !slices.ContainsFunc(e.state.Finished, func(r resume.Run) bool { return r.From <= h.Offset && h.Offset < r.To }) {
		e.state.Finished = insert(e.state.Finished, h.Offset)
	}
	if len(e.state.Finished) > 0 && e.state.Finished[0].From == e.committed {
		e.commit(min(e.state.Finished[0].To, e.part.asideFrom()))
	}
	return nil
}

// commit moves the committed offset over finished records. A lane that was set aside is not
// finished from its offset on, so the offset may stay within the first run. Halts are stored from
// the committed offset on, as a worker does it.
func (e *edit) commit(offset int64) {
	e.committed = offset
	if e.state.Finished[0].From = offset; e.state.Finished[0].To == offset {
		e.state.Finished = e.state.Finished[1:]
	}
	e.state.Halts = slices.DeleteFunc(e.state.Halts, func(h resume.Halt) bool { return h.By == "" && h.Last < offset })
	for i := range e.state.Halts {
		h := &e.state.Halts[i]
		h.Offset, h.Last = max(h.Offset, offset), max(h.Last, offset)
	}
	slices.SortStableFunc(e.state.Halts, func(a, b resume.Halt) int { return cmp.Compare(a.Offset, b.Offset) })
}

// insert adds an offset to runs, which must not contain it. Runs that touch become one.
func insert(runs []resume.Run, at int64) (all []resume.Run) {
	i, _ := slices.BinarySearchFunc(runs, at, func(r resume.Run, at int64) int {
		if r.From < at {
			return -1
		}
		return 1
	})
	for _, r := range slices.Insert(slices.Clone(runs), i, resume.Run{From: at, To: at + 1}) {
		if last := len(all) - 1; last >= 0 && all[last].To == r.From {
			all[last].To = r.To
		} else {
			all = append(all, r)
		}
	}
	return all
}

// encode returns the state as it is stored, if it fits whole.
func (e *edit) encode(scope string) (string, error) {
	of := e.part.binding(scope, e.committed)
	text, end := resume.Encode(of, e.state, max(len(e.part.State), wire.StateBytes))
	again, err := resume.Decode(of, text)
	if err == nil && (end != math.MaxInt64 || !same(again, e.state)) {
		err = errors.New("it does not fit into an offset's metadata")
	}
	if err != nil {
		return "", fmt.Errorf("%v: the new state cannot be stored: %w", e.part.TopicPartition, err)
	}
	return text, nil
}

func same(a, b resume.State) bool {
	return slices.Equal(a.Finished, b.Finished) && slices.Equal(a.Asides, b.Asides) && slices.Equal(a.Attempts, b.Attempts) &&
		slices.EqualFunc(a.Halts, b.Halts, func(a, b resume.Halt) bool { return reflect.DeepEqual(a, b) })
}

// store stores the edit, unless the stored state has changed since it was read.
func (e *edit) store(ctx context.Context, c *wire.Client, g *storedGroup) error {
	e.once.Do(func() {
		var text string
		if text, e.err = e.encode(g.scope()); e.err == nil {
			e.err = inspect.Store(ctx, c, g.name, e.part.Offset, e.committed, text)
		}
		if errors.Is(e.err, inspect.ErrMembers) || errors.Is(e.err, inspect.ErrChanged) {
			e.err = coded{fmt.Errorf("%w; nothing was changed", e.err), errConflict}
		}
	})
	return e.err
}

// edits returns the changes for the halts of a group with these ids, or for all that --all covers.
func (r *release) edits(g *storedGroup, c *wire.Client, ids []string) (changes []change, err error) {
	if err := g.occupied(); err != nil {
		return nil, err
	}
	hs, err := r.stored(g, ids)
	of := map[*storedPart]*edit{}
	for _, h := range hs {
		e := of[h.part]
		if e == nil {
			e = newEdit(h.part)
			of[h.part] = e
		}
		effect, done := "The next worker retries it.", "stored: the next worker retries it"
		if r.verb == "skip" {
			if bad := e.skip(h); bad != nil {
				err = errors.Join(err, bad)
				continue
			}
			effect, done = "It counts as finished, and is never processed.", "stored: it counts as finished"
		} else {
			e.retry(h)
			if h.By != "" {
				effect, done = "The next worker continues it.", "stored: the next worker continues it"
			}
		}
		changes = append(changes, change{Verb: r.verb, What: h.subject(), Group: g.name, Halt: h.id, Effect: effect,
			make: func(ctx context.Context) (adminapi.Done, error) {
				return adminapi.Done{Done: true, Text: done}, e.store(ctx, c, g)
			}})
	}
	return changes, err
}

// occupied is the error of a group that has members.
func (g *storedGroup) occupied() error {
	if len(g.Members) == 0 {
		return nil
	}
	var names []string
	static := ""
	for _, m := range g.Members {
		names = append(names, memberName(m))
		if m.Instance != "" {
			static = "; a static member that was killed stays in the group until its session has timed out, 45 s by default"
		}
	}
	return conflict("group %s has members, and only they may change what it has stored: use --at with their admin API, or stop them first (%s)%s", g.name, strings.Join(names, "; "), static)
}

// stored finds halts by the beginnings of their ids.
func (r *release) stored(g *storedGroup, ids []string) (found []storedHalt, err error) {
	for _, h := range g.halts() {
		if r.all && h.By == "" && (r.step == "" || h.Step == resume.StepOf(r.step)) {
			found = append(found, h)
		}
	}
	for _, id := range ids {
		var of []storedHalt
		for _, h := range g.halts() {
			if strings.HasPrefix(h.id, id) {
				of = append(of, h)
			}
		}
		switch len(of) {
		case 1:
			found = append(found, of[0])
		case 0:
			err = errors.Join(err, conflict("group %s has stored no halt %s: laneway inspect lists the stored ones; with sink.SQL they are in the database", g.name, id))
		default:
			return nil, usage("%s is the beginning of %d ids: write more of it", id, len(of))
		}
	}
	return found, err
}

package stream

import "context"

// A fork sends elements into a branch beside the main line.

// AlsoTo sends every element into a branch, too. 1→1 on the main line, keeps order. An element that
// reaches the end of the branch is done. A record is finished once all its elements are, in the
// branch and on the main line. A crash may repeat either of the two without the other: at least
// once.
//
// The branch begins in the order that holds here. Its steps have their own order, degrees and
// policies: those below AlsoTo do not govern it, and a step of the branch without a policy fails
// the pipeline. A halt or a park in the branch stops the record's partition or lane as a whole.
// Commits are on the main line, and wait for the branch.
//
// A branch has lanes and workers of its own, and the main line does not wait for them. If all its
// words are Map, Tap, Filter, FlatMap, groupings or policies that never wait, and none has a Use or
// a Timeout, the branch runs in the worker of AlsoTo instead, before the main line continues. That
// needs no queue, and suits a quick branch. Give a handler that may be slow a degree or a Timeout.
//
// AlsoTo itself runs in the worker of the next degree word below, or in that of a degree word
// above it if the branch has lanes. An element that waits there for a retry has reached the
// branch; later ones of its lane have not. If those workers do not give the branch its order, the
// fork and the words above it run in one runner per partition: group above AlsoTo to avoid that.
//
// During an outage of the branch, the main line continues until MaxInFlight records of a partition
// wait for the branch. At 100 records a second, 4,096 records last 41 s. If branches must be
// independent, use two pipelines in two groups.
//
// Both sides get the same value: do not change what it points to, or copy it with Clone. Costs
// about as much as a step, and a hand-over to another worker if the branch has lanes.
func (s Stream[T]) AlsoTo[X any](branch Pipe[T, X], opts ...StepOption) Stream[T] {
	n := &node{word: "AlsoTo", name: funcName(branch), opts: stepOpts(opts)}
	o := alsoOp[T]{forkOp: forkInto(s, n, branch)}
	o.clone, o.wrong = cloneOf[T](n)
	n.op = o
	return then[T, T](s, n)
}

// DivertTo sends the elements for which match returns true into a branch, and the others down the
// main line. 1→0..1 on the main line, keeps order. A panic of match fails the element at this
// step, and the policies below decide. For the branch see AlsoTo.
//
// Put DivertTo above the work if you can. Below work that keeps an order, records of the two sides
// finish out of that order, so no resume state is stored (see Describe).
func (s Stream[T]) DivertTo[X any](match func(T) bool, branch Pipe[T, X], opts ...StepOption) Stream[T] {
	n := &node{word: "DivertTo", name: funcName(match), nilFunc: match == nil, opts: stepOpts(opts)}
	n.op = divertOp[T]{forkInto(s, n, branch), match}
	return then[T, T](s, n)
}

// Clone gives the branch of an AlsoTo a copy of each element, made by f before the main line
// continues. A panic of f fails the element at AlsoTo.
func Clone[T any](f func(T) T) StepOption {
	return stepOption(func(o *stepOptions) { o.clone = f })
}

// forkOp is a word with a branch.
type forkOp struct{ fault *BuildError }

// forkInto makes the branch of a fork.
func forkInto[T, X any](s Stream[T], fork *node, branch Pipe[T, X]) (o forkOp) {
	if branch == nil {
		o.fault = &BuildError{Code: faultNil, What: "the branch is nil", Fix: "pass a Pipe"}
		return o
	}
	head := &node{up: s.n, word: fork.word, op: headOp{}, out: typeOf[T]{}}
	end := branch(Stream[T]{head}).n
	for n := end; n != head; n = n.up {
		if n == nil {
			o.fault = &BuildError{Code: faultChain, What: "the branch returned a Stream that does not continue its input", Fix: "build on the Stream it is given"}
			return o
		}
	}
	fork.branch = end
	return o
}

func (forkOp) detail() []string { return nil }
func (forkOp) inline() bool     { return true }

func (o forkOp) check(c *checker, n *node) {
	if o.fault != nil {
		c.say(o.fault.Code, n.label(), o.fault.What, o.fault.Fix)
		return
	}
	c.branch(n)
}

func (forkOp) place(p *planner, n *node) {
	p.value(n)
	p.fork(n)
}

// headOp is the beginning of a branch.
type headOp struct{}

func (headOp) does() effect          { return plans }
func (headOp) check(*checker, *node) {}
func (headOp) place(*planner, *node) {}
func (headOp) detail() []string      { return nil }
func (headOp) inline() bool          { return true }
func (headOp) head()                 {}

type alsoOp[T any] struct {
	forkOp
	clone func(T) T // nil: none
	wrong bool      // clone is of another type
}

// cloneOf returns the func of an AlsoTo's Clone.
func cloneOf[T any](n *node) (clone func(T) T, wrong bool) {
	if n.opts.clone == nil {
		return nil, false
	}
	clone, ok := n.opts.clone.(func(T) T)
	return clone, !ok
}

func (o alsoOp[T]) does() effect {
	if o.clone != nil {
		return calls
	}
	return shapes
}

func (alsoOp[T]) also() {}

func (o alsoOp[T]) detail() []string {
	if o.clone == nil {
		return nil
	}
	return []string{"of a clone"}
}

func (o alsoOp[T]) check(c *checker, n *node) {
	switch {
	case o.wrong:
		c.say(faultOption, n.label(), "Clone is given a func of another type", "clone the elements of this Stream")
	case n.opts.clone != nil && o.clone == nil:
		c.say(faultNil, n.label(), "Clone was given a nil func", "pass a function, or leave the option out")
	}
	o.forkOp.check(c, n)
}

func (o alsoOp[T]) fork(_ *worker, st *step, branch, next any) any {
	side, main, u := branch.(push[T]), next.(push[T]), new(T)
	both := func(w *worker, r *record, v, also *T) {
		side(w, r.fork(), also)
		if w.stops(r) { // the branch gave it up
			r.abandon()
			return
		}
		main(w, r, v)
	}
	if o.clone == nil {
		return push[T](func(w *worker, r *record, v *T) {
			also := v
			if r.joined != nil { // the branch may split it
				*u = *v
				also = u
			}
			both(w, r, v, also)
		})
	}
	f := func(_ context.Context, v *T, u *T) error { *u = o.clone(*v); return nil }
	h := &handling[T, T]{st: st, f: f, u: u}
	return push[T](func(w *worker, r *record, v *T) {
		if r = h.perform(w, r, v); r != nil {
			both(w, r, v, u)
		}
	})
}

type divertOp[T any] struct {
	forkOp
	match func(T) bool
}

func (divertOp[T]) does() effect { return calls }

func (o divertOp[T]) fork(_ *worker, st *step, branch, next any) any {
	side, main, is := branch.(push[T]), next.(push[T]), new(bool)
	f := func(_ context.Context, v *T, is *bool) error { *is = o.match(*v); return nil }
	h := &handling[T, bool]{st: st, f: f, u: is}
	return push[T](func(w *worker, r *record, v *T) {
		switch r = h.perform(w, r, v); {
		case r == nil:
		case *is:
			side(w, r, v)
		default:
			main(w, r, v)
		}
	})
}

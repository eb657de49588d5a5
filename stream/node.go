package stream

import (
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// kind is what a node does to a chain.
type kind uint8

const (
	kindSource kind = iota
	kindMap
	kindFilter
	kindFlatMap
	kindBatch
	kindThrottle
	kindGroup
	kindDegree
	kindPolicy
	kindCommit
	kindTransact
	kindTo
	kindTransform
)

// node is one word of a chain. Nodes are shared by all plans that were made from the same beginning, and never change.
type node struct {
	up   *node
	kind kind
	word string // as the user wrote it
	name string // given by Named, or taken from the function; unique after planning
	out  typed  // of the elements below

	nilFunc bool // the user passed no function
	opts    stepOptions

	open  func(replacement any) (feeder, error)                        // source
	link  func(w *worker, st *step, next any) any                      // in the worker: push[In] from push[Out]
	send  func(w *worker, st *step, to *stage) any                     // GroupBy(f): push[T] into the lanes of the next stage
	write func(w *worker, st *step, open, next any) func([]*lane.Task) // To: writes what a lane has queued
	sinks []any                                                        // what may have Open and Close
	door  func(st *step, to *stage) *doorway                           // Transform
	keep  func(st *step, p *part) any                                  // what the step keeps per partition

	group  grouping
	n      int  // degree, batch size, commit count
	serial bool // one at a time per group
	wait   time.Duration
	rate   float64
	policy *policy
	each   bool // the element that moves the watermark waits for the commit

	transact transactor // CommitWith
}

// isStep reports whether a node calls something that can fail.
func (n *node) isStep() bool {
	switch n.kind {
	case kindMap, kindFilter, kindFlatMap, kindDegree, kindTo, kindTransform, kindTransact:
		return true
	case kindGroup:
		return n.send != nil
	}
	return false
}

// grouping says which elements keep their order.
type grouping uint8

const (
	ungrouped grouping = iota
	byPartition
	byKey
	byFunc
)

func (g grouping) String() string {
	return [...]string{"none", "per partition", "per key", "per group"}[g]
}

// push hands an element on, in the same worker: the record it came with, and its value, which belongs to the caller again afterwards.
// With it goes one hold on the record's ticket.
type push[T any] func(w *worker, r *record, v *T)

// typed is what the plan needs to know of an element type that it has forgotten.
type typed interface {
	opener() any                                    // of an element that crossed a boundary: func(*lane.Task) (*record, *T)
	entry(open, next any) func(*worker, *lane.Task) // from a task to push[T]
	boundary(w *worker, to *stage) any              // push[T] into the lanes of the next stage
	free(to *stage) func(*lane.Task)                // takes elements back that a stage is through with, for boundary
	finish(w *worker, end finish) any               // push[T] at the end of the chain
	gate(to *stage) any                             // push[T] that waits for the commit before the next stage
	ordered(w *worker, next any) any                // push[T] that keeps results in their order (KeepOrder)
}

type typeOf[T any] struct{}

// opened takes an element out of the task that carried it.
type opened[T any] func(t *lane.Task) (*record, *T)

func (typeOf[T]) opener() any {
	return opened[T](func(t *lane.Task) (*record, *T) {
		e := elemOf[T](t)
		return e.r, &e.v
	})
}

func (typeOf[T]) entry(open, next any) func(*worker, *lane.Task) {
	o, nx := open.(opened[T]), next.(push[T])
	return func(w *worker, t *lane.Task) {
		r, v := o(t)
		nx(w, r, v)
	}
}

func (typeOf[T]) boundary(_ *worker, to *stage) any {
	return push[T](func(w *worker, r *record, v *T) {
		id := to.idOf(w, r)
		to.put(w, r, id, &newElem(to, r, id, v).Task)
	})
}

func (typeOf[T]) free(to *stage) func(*lane.Task) {
	return func(t *lane.Task) {
		if t.Kind == kindOfElem {
			freeElem(to, elemOf[T](t))
		}
	}
}

func (typeOf[T]) finish(_ *worker, end finish) any {
	return push[T](func(w *worker, r *record, _ *T) { end(w, r) })
}

func (typeOf[T]) gate(to *stage) any {
	return push[T](func(w *worker, r *record, v *T) {
		r.part.enterGate(waiter{to: to, elem: newElem(to, r, to.idOf(w, r), v)})
	})
}

func (typeOf[T]) ordered(w *worker, next any) any { return linkOrdered[T](w, next) }

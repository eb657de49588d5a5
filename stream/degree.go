package stream

import (
	"context"
	"fmt"
	"strings"
)

// Serial works on one element at a time and passes it on. 1→1. Ungrouped it is one at a time
// overall, each partition's in order; below GroupByPartition it is one at a time in each partition,
// at the cost of one goroutine per partition that has work. By key or by function there would be a
// goroutine per group, without bound: Build refuses that in favour of Concurrent, which keeps the
// order as well.
func (s Stream[T]) Serial(f func(context.Context, T) error, opts ...DegreeOption) Stream[T] {
	return tapDegree(s, "Serial", degree{n: 1, serial: true}, f, opts)
}

// MapSerial is Serial for a function with a result.
func (s Stream[T]) MapSerial[U any](f func(context.Context, T) (U, error), opts ...DegreeOption) Stream[U] {
	return mapDegree(s, "MapSerial", degree{n: 1, serial: true}, f, opts)
}

// Concurrent works on up to n elements at a time and passes them on; order holds within a group,
// and ungrouped not at all (but see KeepOrder). 1→1. Costs up to n goroutines, as many as there is
// work for.
func (s Stream[T]) Concurrent(n int, f func(context.Context, T) error, opts ...DegreeOption) Stream[T] {
	return tapDegree(s, "Concurrent", degree{n: n}, f, opts)
}

// MapConcurrent is Concurrent for a function with a result.
func (s Stream[T]) MapConcurrent[U any](n int, f func(context.Context, T) (U, error), opts ...DegreeOption) Stream[U] {
	return mapDegree(s, "MapConcurrent", degree{n: n}, f, opts)
}

func tapDegree[T any](s Stream[T], word string, d degree, f func(context.Context, T) error, opts []DegreeOption) Stream[T] {
	n := &node{word: word, name: funcName(f), nilFunc: f == nil, opts: degreeOpts(opts)}
	n.op = tapDegreeOp[T]{newDegreeOp(d, n.opts), f}
	return then[T, T](s, n)
}

func mapDegree[T, U any](s Stream[T], word string, d degree, f func(context.Context, T) (U, error), opts []DegreeOption) Stream[U] {
	n := &node{word: word, name: funcName(f), nilFunc: f == nil, opts: degreeOpts(opts)}
	n.op = mapDegreeOp[T, U]{newDegreeOp(d, n.opts), f}
	return then[T, U](s, n)
}

// degreeOp says how many elements are worked on at a time, and works on them.
type degreeOp struct{ degree }

func newDegreeOp(d degree, o stepOptions) degreeOp {
	d.keepOrder, d.maxPartitions = o.keepOrder, o.maxPartitions
	return degreeOp{d}
}

func (degreeOp) does() effect     { return calls }
func (degreeOp) detail() []string { return nil }

func (o degreeOp) check(c *checker, n *node) {
	if o.n < 1 {
		c.say(n.label(), fmt.Sprintf("%d at a time", o.n), "n is at least 1")
	}
	if o.serial && (c.group == byKey || c.group == byFunc) {
		instead := strings.Replace(n.word, "Serial", "Concurrent", 1)
		c.say(n.label(), fmt.Sprintf("one at a time %v would be as many at a time as there are groups, without bound", c.group),
			fmt.Sprintf("use %s(n, f): one at a time in each group, n in all", instead))
	}
	switch {
	case o.keepOrder && o.serial:
		c.say(n.label(), "KeepOrder on a step that keeps order already", "it is for an ungrouped Concurrent or MapConcurrent")
	case o.keepOrder && c.group != ungrouped:
		c.say(n.label(), "KeepOrder on a grouped step", "order is kept within the group already; leave it out")
	case c.group == ungrouped && !o.serial && !o.keepOrder:
		c.lostBy = n
	}
}

func (o degreeOp) cut(c *cutter, n *node) {
	if c.stage.degree != nil || c.stage.head != nil {
		c.boundary()
	}
	if group, ok := c.collectsOtherwise(o.keepOrder); ok {
		c.stage.group = group
		c.take() // what is collected must come in order, too: from one runner per partition
		c.close(nil)
		c.open(c.stage.out)
	}
	c.note(n)
	c.stage.degree, c.stage.paced = &o.degree, n
	c.stage.group = c.group
	c.pending = append(c.pending, n)
	c.take()
}

type tapDegreeOp[T any] struct {
	degreeOp
	f func(context.Context, T) error
}

func (tapDegreeOp[T]) divides() {}

func (o tapDegreeOp[T]) link(_ *worker, st *step, next any) any { return linkTap(st, o.f, next) }

type mapDegreeOp[T, U any] struct {
	degreeOp
	f func(context.Context, T) (U, error)
}

func (mapDegreeOp[T, U]) divides() {}

func (o mapDegreeOp[T, U]) check(c *checker, n *node) {
	o.degreeOp.check(c, n)
	c.slices = false
}

func (o mapDegreeOp[T, U]) link(_ *worker, st *step, next any) any { return linkMap(st, o.f, next) }

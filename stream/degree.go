package stream

import (
	"context"
	"fmt"
	"strings"
)

// Serial calls f for one element at a time and passes the element on. 1→1, keeps order. Ungrouped,
// it handles one element at a time overall. Below GroupByPartition it handles one at a time in each
// partition, which costs one goroutine per partition that has work. Build refuses Serial below
// GroupByKey and GroupBy, since it would start a goroutine per group, without bound: Concurrent
// keeps that order too. An error or a panic of f fails the element at this step, and the policies
// below decide.
func (s Stream[T]) Serial(f func(context.Context, T) error, opts ...DegreeOption) Stream[T] {
	return tapDegree(s, "Serial", degree{n: 1, serial: true}, f, opts)
}

// MapSerial is Serial for a function with a result.
func (s Stream[T]) MapSerial[U any](f func(context.Context, T) (U, error), opts ...DegreeOption) Stream[U] {
	return mapDegree(s, "MapSerial", degree{n: 1, serial: true}, f, opts)
}

// Concurrent calls f for up to n elements at a time and passes them on. 1→1. It keeps the order
// within each group; ungrouped, it keeps none (see KeepOrder). An error or a panic of f fails the
// element at this step, and the policies below decide. Costs up to n goroutines, started as there
// is work.
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

// degreeOp is a word that sets how many elements are handled at a time, and handles them.
type degreeOp struct{ degree }

func newDegreeOp(d degree, o stepOptions) degreeOp {
	d.keepOrder, d.maxPartitions = o.keepOrder, o.maxPartitions
	return degreeOp{d}
}

func (degreeOp) does() effect     { return works }
func (degreeOp) detail() []string { return nil }

func (o degreeOp) check(c *checker, n *node) {
	if o.n < 1 {
		c.say(faultRange, n.label(), fmt.Sprintf("%d at a time", o.n), "n is at least 1")
	}
	if o.serial && (c.group == byKey || c.group == byFunc) {
		instead := strings.Replace(n.word, "Serial", "Concurrent", 1)
		c.say(faultUnbound, n.label(), fmt.Sprintf("one at a time %v means one goroutine per group, without bound", c.group),
			fmt.Sprintf("use %s(n, f): one at a time in each group, n in all", instead))
	}
	switch {
	case o.keepOrder && o.serial:
		c.say(faultOption, n.label(), "KeepOrder on a step that already keeps order", "it is for an ungrouped Concurrent or MapConcurrent")
	case o.keepOrder && c.group != ungrouped:
		c.say(faultOption, n.label(), "KeepOrder on a grouped step", "the group already keeps order; leave it out")
	case c.group == ungrouped && !o.serial && !o.keepOrder:
		c.lostBy = n
	}
}

func (o degreeOp) place(p *planner, n *node) {
	if p.stage.degree != nil || p.stage.head != nil {
		p.boundary()
	}
	if group, ok := p.needsOtherwise(&o.degree); ok {
		if p.stage.group != byFunc { // that group cannot be had again from the record
			p.stage.group = group
		}
		p.flush() // one runner per partition keeps the order in which elements are collected
		p.endStage(nil)
		p.startStage(p.stage.out)
	}
	p.stage.degree, p.stage.paced = &o.degree, n
	p.stage.group = p.group
	p.note(n)
	p.pending = append(p.pending, n)
	p.flush()
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

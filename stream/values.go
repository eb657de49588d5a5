package stream

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/ledger"
)

// bufferSize is the capacity of a pooled buffer of values.
const bufferSize = 256

// values is the payload of a slab: its records, without their type.
type values interface {
	meta(i int32) (Meta, bool)
	key(i int32) []byte // for holders only
	hash(i int) uint64  // of the key
	last() int64        // offset
	value(i int32) any
	record(i int) *record
	all() []record
	forget()
	// copyOut returns records, by index, in a slab with memory of its own; nil if they share none
	copyOut(of []int) *ledger.Slab
	context(i int32) context.Context // the context that start hooks made; nil if none
	setContext(i int32, c *context.Context)
	dropContext(i int32, c *context.Context)
}

// valuesOf is the records of a slab. Once all are finished, forget reuses the memory of the values.
// The records themselves are not reused, since a handler may have kept one as its context. A later
// question to such a record finds no value, and never that of another record.
type valuesOf[T any] struct {
	orig    origin
	lineage Lineage
	vals    []T
	recs    []record
	pool    *sync.Pool // of *[bufferSize]T
	// meta and value calls in progress
	readers atomic.Int32
	// Forgotten. forget sets gone before it reads readers. A reader raises readers before it reads
	// gone. So at least one of the two sees the other.
	gone atomic.Bool
	// see context; nil until one is set
	made atomic.Pointer[[]atomic.Pointer[context.Context]]
}

// meta needs no hold. It keeps the memory from being reused while it reads, and returns false if
// the values were forgotten, or if their Lineage panics. So does value.
func (vs *valuesOf[T]) meta(i int32) (m Meta, ok bool) {
	vs.readers.Add(1)
	defer vs.readers.Add(-1)
	if vs.gone.Load() {
		return m, false
	}
	defer vs.orig.part.catches("Meta of a Lineage")
	m = vs.lineage.Meta(int(i))
	m.Source = vs.orig.part.tp.Source
	return m, true
}

func (vs *valuesOf[T]) value(i int32) any {
	vs.readers.Add(1)
	defer vs.readers.Add(-1)
	if vs.gone.Load() {
		return nil
	}
	return vs.vals[i]
}

func (vs *valuesOf[T]) key(i int32) []byte {
	key, _ := vs.orig.part.keyAt(vs.lineage, int(i))
	return key
}

func (vs *valuesOf[T]) hash(i int) uint64    { return keyHash(vs.key(int32(i))) }
func (vs *valuesOf[T]) last() int64          { return vs.recs[len(vs.recs)-1].offset() }
func (vs *valuesOf[T]) record(i int) *record { return &vs.recs[i] }
func (vs *valuesOf[T]) all() []record        { return vs.recs }

func (vs *valuesOf[T]) context(i int32) context.Context {
	made := vs.made.Load()
	if made == nil {
		return nil
	}
	if c := (*made)[i].Load(); c != nil {
		return *c
	}
	return nil
}

func (vs *valuesOf[T]) setContext(i int32, c *context.Context) {
	made := vs.made.Load()
	for made == nil {
		fresh := make([]atomic.Pointer[context.Context], len(vs.recs))
		vs.made.CompareAndSwap(nil, &fresh)
		made = vs.made.Load()
	}
	(*made)[i].Store(c)
}

// dropContext removes c unless it was replaced.
func (vs *valuesOf[T]) dropContext(i int32, c *context.Context) {
	if made := vs.made.Load(); made != nil {
		(*made)[i].CompareAndSwap(c, nil)
	}
}

func (vs *valuesOf[T]) copyOut(of []int) *ledger.Slab {
	l, from := vs.lineage, 0
	if rest, ok := l.(lineageFrom); ok {
		l, from = rest.all, rest.from
	}
	c, ok := l.(Copier[T])
	if !ok {
		return nil
	}
	at := make([]int, len(of))
	for k, i := range of {
		at[k] = from + i
	}
	vals, lineage, bytes := c.CopyOut(at)
	return newSlab(vs.orig.part, vs.pool, vals, lineage, 0, bytes)
}

// newSlab returns a slab of values, not appended yet.
func newSlab[T any](p *part, pool *sync.Pool, vals []T, lineage Lineage, next, bytes int64) *ledger.Slab {
	vs := &valuesOf[T]{lineage: lineage, vals: vals, recs: make([]record, len(vals)), pool: pool}
	s := ledger.NewSlab(len(vals), next, bytes, vs)
	vs.orig = origin{part: p, slab: s}
	for i := range vals {
		s.SetOffset(i, lineage.Offset(i))
		r := &vs.recs[i]
		r.origin, r.Index = &vs.orig, int32(i)
	}
	return s
}

// forget returns the memory of the values to the pool unless a reader is using it. A record that
// is kept, by a handler or as the last task of an idle lane, keeps no payload alive.
func (vs *valuesOf[T]) forget() {
	vs.gone.Store(true)
	vs.made.Store(nil)
	if vs.readers.Load() != 0 {
		return
	}
	if cap(vs.vals) == bufferSize {
		vals := vs.vals[:bufferSize]
		clear(vals) // the pool must not keep payloads alive
		vs.pool.Put((*[bufferSize]T)(vals))
	}
	vs.vals, vs.lineage = nil, nil
}

// lineageFrom is a lineage without its first values.
type lineageFrom struct {
	all  Lineage
	from int
}

func (l lineageFrom) Meta(i int) Meta    { return l.all.Meta(l.from + i) }
func (l lineageFrom) Key(i int) []byte   { return l.all.Key(l.from + i) }
func (l lineageFrom) Offset(i int) int64 { return l.all.Offset(l.from + i) }

package stream

import (
	"context"
	"iter"
	"strconv"
	"time"
)

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int
}

func (tp TopicPartition) String() string { return tp.Topic + "[" + strconv.Itoa(tp.Partition) + "]" }

// Meta is the lineage of an element: the source record that it came from. Key and Headers are to be
// read only: they may be the record's own.
type Meta struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Headers   []Header
	Time      time.Time
}

// TP names the partition.
func (m Meta) TopicPartition() TopicPartition { return TopicPartition{m.Topic, m.Partition} }

// String is the record's place as logs and errors write it: orders[3]@41207.
func (m Meta) String() string {
	return m.TopicPartition().String() + "@" + strconv.FormatInt(m.Offset, 10)
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// MetaOf returns the lineage of the element that ctx was handed with; for a batch, its first
// element's. It works in every handler, and in what a handler calls with its context or one derived
// from it, until the handler returns. false: ctx is not one of a handler (in a unit test:
// streamtest.WithMeta), or its record is done with.
func MetaOf(ctx context.Context) (Meta, bool) {
	switch l := ctx.Value(lineageKey{}).(type) {
	case lineage:
		return l.firstMeta()
	case []Meta:
		if len(l) > 0 {
			return l[0], true
		}
	}
	return Meta{}, false
}

// MetasOf returns the lineage of every element of the batch that ctx was handed with; outside a
// batch, of the one element.
func MetasOf(ctx context.Context) iter.Seq[Meta] {
	switch l := ctx.Value(lineageKey{}).(type) {
	case lineage:
		return l.metas
	case []Meta:
		return func(yield func(Meta) bool) {
			for _, m := range l {
				if !yield(m) {
					return
				}
			}
		}
	}
	return func(func(Meta) bool) {}
}

// RecordsOf returns, for every source record of the batch that ctx was handed with, a context that
// MetaOf reads and that has the values which an Observer's Begin gave it; outside a batch, that of
// the one record.
func RecordsOf(ctx context.Context) iter.Seq[context.Context] {
	l, ok := ctx.Value(lineageKey{}).(lineage)
	if !ok {
		return func(func(context.Context) bool) {}
	}
	return l.contexts
}

// ContextWithMeta returns a context that MetaOf and MetasOf read, for testing a handler alone.
// streamtest.WithMeta is its name in tests.
func ContextWithMeta(ctx context.Context, metas ...Meta) context.Context {
	return context.WithValue(ctx, lineageKey{}, metas)
}

// lineage is an element's records, as its context knows them.
type lineage interface {
	firstMeta() (Meta, bool)
	metas(yield func(Meta) bool)
	contexts(yield func(context.Context) bool)
}

// lineageKey is the context key under which a record finds itself.
type lineageKey struct{}

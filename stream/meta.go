package stream

import (
	"cmp"
	"context"
	"iter"
	"strconv"
	"time"
)

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int
	// Source is the name of the source in a Merge; empty in a chain with one source.
	Source string
}

// String is the partition as logs and errors write it: orders[3], or eu/orders[3] in a Merge.
// Without a topic it is the source.
func (tp TopicPartition) String() string {
	if tp.Topic == "" && tp.Source != "" {
		return tp.Source
	}
	place := tp.Topic + "[" + strconv.Itoa(tp.Partition) + "]"
	if tp.Source != "" {
		return tp.Source + "/" + place
	}
	return place
}

// at returns the lineage of a record of which only the place is known.
func (tp TopicPartition) at(offset int64) Meta {
	return Meta{Topic: tp.Topic, Partition: tp.Partition, Source: tp.Source, Offset: offset}
}

// order sorts partitions by source, topic and number.
func (tp TopicPartition) order(other TopicPartition) int {
	return cmp.Or(cmp.Compare(tp.Source, other.Source), cmp.Compare(tp.Topic, other.Topic), cmp.Compare(tp.Partition, other.Partition))
}

// Meta is the lineage of an element: the source record it came from. Do not modify Key and Headers:
// they may belong to the record itself.
type Meta struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Headers   []Header
	Time      time.Time
	// Source is the name of the source in a Merge; empty in a chain with one source.
	Source string
}

// TopicPartition names the record's partition.
func (m Meta) TopicPartition() TopicPartition { return TopicPartition{m.Topic, m.Partition, m.Source} }

// String is the record's place, as logs and errors write it: orders[3]@41207.
func (m Meta) String() string {
	return m.TopicPartition().String() + "@" + strconv.FormatInt(m.Offset, 10)
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// MetaOf returns the lineage of the element that a handler was called with; for a batch, that of
// its first element. ctx is the handler's context, or one derived from it. It works until the
// handler returns. It returns false if ctx is not a handler's, or if its record is finished and
// released. In a unit test, use streamtest.WithMeta.
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

// MetasOf returns the lineage of every element of the batch that a handler was called with; without
// a batch, that of its one element. ctx is as for MetaOf.
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

// RecordsOf returns a context for every source record of the batch that a handler was called with;
// without a batch, for its one record. MetaOf reads these contexts, and they have the values that
// an Observer's Begin added to the record. ctx is as for MetaOf.
func RecordsOf(ctx context.Context) iter.Seq[context.Context] {
	l, ok := ctx.Value(lineageKey{}).(lineage)
	if !ok {
		return func(func(context.Context) bool) {}
	}
	return l.contexts
}

// ContextWithMeta returns a context that MetaOf and MetasOf read, to test a handler on its own. In
// tests, call it by its name streamtest.WithMeta.
func ContextWithMeta(ctx context.Context, metas ...Meta) context.Context {
	return context.WithValue(ctx, lineageKey{}, metas)
}

// lineage is what an element's context knows of its source records.
type lineage interface {
	firstMeta() (Meta, bool)
	metas(yield func(Meta) bool)
	contexts(yield func(context.Context) bool)
}

// lineageKey is the context key of a record.
type lineageKey struct{}

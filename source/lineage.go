package source

import (
	"slices"
	"unsafe"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
)

// Lineage describes where Kafka messages came from, by their own topic, partition, offset, key,
// headers and time. A custom stream.Source passes it to Feed with the messages. MetaOf's headers
// share their memory with the message.
func Lineage(ms []kafka.Message) stream.Lineage { return lineage(ms) }

type lineage []kafka.Message

func (l lineage) Offset(i int) int64 { return l[i].Offset }
func (l lineage) Key(i int) []byte   { return l[i].Key }

func (l lineage) Meta(i int) stream.Meta {
	m := &l[i]
	return stream.Meta{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key, Headers: headers(m.Headers), Time: m.Time}
}

// headers converts the headers to the stream package's type without a copy, which would cost more
// than the access itself. It is sound while the two types differ in nothing but their names; the
// conversion below makes the compiler check that.
func headers(hs []kafka.Header) []stream.Header {
	hs = slices.Clip(hs) // appending to them copies
	return *(*[]stream.Header)(unsafe.Pointer(&hs))
}

var _ = stream.Header(kafka.Header{})

// streamed and wired convert the name of a partition between the pipeline and the protocol.
func streamed(tp wire.TopicPartition) stream.TopicPartition {
	return stream.TopicPartition{Topic: tp.Topic, Partition: tp.Partition}
}

func wired(tp stream.TopicPartition) wire.TopicPartition {
	return wire.TopicPartition{Topic: tp.Topic, Partition: tp.Partition}
}

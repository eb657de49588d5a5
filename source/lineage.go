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

// CopyOut copies messages, all into one piece of memory.
func (l lineage) CopyOut(of []int) ([]kafka.Message, stream.Lineage, int64) {
	size, hs := 0, 0
	for _, i := range of {
		size += len(l[i].Key) + len(l[i].Value)
		hs += len(l[i].Headers)
		for _, h := range l[i].Headers {
			size += len(h.Key) + len(h.Value)
		}
	}
	c := copier{make([]byte, 0, size), make([]kafka.Header, 0, hs)}
	ms := make([]kafka.Message, len(of))
	for k, i := range of {
		ms[k] = l[i]
		ms[k].Key, ms[k].Value, ms[k].Headers = c.bytes(l[i].Key), c.bytes(l[i].Value), c.copyHeaders(l[i].Headers)
	}
	return ms, lineage(ms), int64(size + hs*int(unsafe.Sizeof(kafka.Header{})) + len(ms)*int(unsafe.Sizeof(kafka.Message{})))
}

// copier copies into memory that was made large enough.
type copier struct {
	memory  []byte
	headers []kafka.Header
}

// bytes copies b. nil stays nil: a record without a key is not one with an empty key.
func (c *copier) bytes(b []byte) []byte {
	if b == nil {
		return nil
	}
	at := len(c.memory)
	c.memory = append(c.memory, b...)
	return c.memory[at:len(c.memory):len(c.memory)]
}

func (c *copier) copyHeaders(hs []kafka.Header) []kafka.Header {
	if hs == nil {
		return nil
	}
	at := len(c.headers)
	for _, h := range hs {
		key := c.bytes(unsafe.Slice(unsafe.StringData(h.Key), len(h.Key)))
		c.headers = append(c.headers, kafka.Header{Key: unsafe.String(unsafe.SliceData(key), len(key)), Value: c.bytes(h.Value)})
	}
	return c.headers[at:len(c.headers):len(c.headers)]
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

package source

import (
	"slices"
	"unsafe"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// Lineage tells where Kafka messages came from: as their own topic, partition, offset, key, headers
// and time say. A stream.Source of one's own hands it to Feed beside them. MetaOf's headers share
// their memory with the message.
func Lineage(ms []kafka.Message) stream.Lineage { return lineage(ms) }

type lineage []kafka.Message

func (l lineage) Offset(i int) int64 { return l[i].Offset }
func (l lineage) Key(i int) []byte   { return l[i].Key }

func (l lineage) Meta(i int) stream.Meta {
	m := &l[i]
	return stream.Meta{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key, Headers: headers(m.Headers), Time: m.Time}
}

// headers are the same headers under the language's own name for them: a copy would cost whoever
// looks more than the look. It is sound as long as the two types differ in nothing but their names,
// which the conversion below has the compiler check.
func headers(hs []kafka.Header) []stream.Header {
	hs = slices.Clip(hs) // who appends to them has others
	return *(*[]stream.Header)(unsafe.Pointer(&hs))
}

var _ = stream.Header(kafka.Header{})

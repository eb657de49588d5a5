package source_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestLineage(t *testing.T) {
	at := time.Unix(1, 0)
	l := source.Lineage([]kafka.Message{{}, {Topic: "orders", Partition: 3, Offset: 41207, Key: []byte("k"), Time: at,
		Headers: []kafka.Header{{Key: "shop", Value: []byte("7")}, {Key: "void"}}}})
	want := stream.Meta{Topic: "orders", Partition: 3, Offset: 41207, Key: []byte("k"), Time: at,
		Headers: []stream.Header{{Key: "shop", Value: []byte("7")}, {Key: "void"}}}
	if got := l.Meta(1); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if l.Offset(1) != 41207 || string(l.Key(1)) != "k" || l.Meta(0).Headers != nil {
		t.Errorf("offset %d, key %s, headers of a message without any: %v", l.Offset(1), l.Key(1), l.Meta(0).Headers)
	}
	if n := testing.AllocsPerRun(100, func() { l.Meta(1) }); n != 0 {
		t.Errorf("Meta allocates %v times", n)
	}
}

package main

import (
	"context"
	"testing"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/stream"
)

func TestMain(m *testing.M) { demotest.Main(m, codecs) }

func TestCodecs(t *testing.T) {
	t.Run("passes orders through two codecs", func(t *testing.T) {
		demotest.Run(t, codecs, nil,
			`ok  booked     600 of 600 orders became invoices through JSON and Protobuf, 0 of them wrong`,
			`rejected JSON: orders-\w+\[\d\]@\d+ failed after 1 attempt: decoding .* bytes of JSON into main.Order`,
			`ok  rejected   3 records were not orders`,
			`ok  in order   .* but for 0`,
			`ok  committed  .* lag 0`,
		)
	})
}

func TestProto(t *testing.T) {
	t.Run("decodes the output of ToProto", func(t *testing.T) {
		want := &Invoice{Order: 7, Customer: "ann", Cents: 250, Lines: []string{"pen"}}
		value, err := ToProto(context.Background(), want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Proto[Invoice](context.Background(), kafka.Message{Value: value})
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := Proto[Invoice](context.Background(), kafka.Message{Value: []byte("no invoice")}); !stream.IsPermanent(err) {
			t.Errorf("an undecodable value is not permanent: %v", err)
		}
	})
}

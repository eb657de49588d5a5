package main

//go:generate protoc --go_out=. invoice.proto

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	"github.com/laneway-go/laneway/stream"
)

// Proto decodes a record's value as a Protobuf message, for Map: Proto[Invoice] turns kafka.Message
// into *Invoice. A value that cannot be decoded is a permanent error.
func Proto[T any, P interface {
	*T
	proto.Message
}](_ context.Context, m kafka.Message) (P, error) {
	v := P(new(T))
	if err := proto.Unmarshal(m.Value, v); err != nil {
		return nil, stream.Permanent(fmt.Errorf("decoding %d bytes of Protobuf into %T: %w", len(m.Value), v, err))
	}
	return v, nil
}

// ToProto encodes a Protobuf message, for Map.
func ToProto[P proto.Message](_ context.Context, v P) ([]byte, error) {
	return proto.Marshal(v)
}

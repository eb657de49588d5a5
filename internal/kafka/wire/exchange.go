package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

const (
	// maxResponse exceeds every message.max.bytes in use. A larger size is not a Kafka response.
	maxResponse = 1 << 30
	// trusted is the most memory to allocate by the four size bytes alone; beyond it, memory grows with
	// the data received.
	trusted = 16 << 20
)

// exchange is one request and its response, as bytes. The Transport gives it exclusive use of an
// authenticated connection.
//
// The caller encodes and decodes, because RoundTrip returns when ctx ends, while RawExchange may
// still use the connection. So the exchange shares nothing with the caller but its own fields,
// which the caller then no longer reads.
type exchange struct {
	ctx   context.Context
	key   int16
	id    int32
	out   []byte
	alloc func(n int) []byte // returns a slice of n bytes for the response
	in    []byte
	way   *Sending // may be nil
}

var (
	_ protocol.Message      = (*exchange)(nil)
	_ protocol.RawExchanger = (*exchange)(nil)
)

func (e *exchange) ApiKey() protocol.ApiKey                 { return protocol.ApiKey(e.key) }
func (e *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request and reads its response.
func (e *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if !e.way.begin() {
		return nil, errGivenUp
	}
	if d, ok := rw.(interface{ SetDeadline(time.Time) error }); ok {
		defer interruptible(e.ctx, d.SetDeadline)()
	}
	if _, err := rw.Write(e.out); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	n := int64(int32(binary.BigEndian.Uint32(head[:]))) - 4
	if n < 0 || n > maxResponse {
		return nil, fmt.Errorf("a response of %d bytes is not Kafka's protocol: check that the port is a Kafka listener, and whether it uses TLS", n+4)
	}
	if id := int32(binary.BigEndian.Uint32(head[4:])); id != e.id {
		return nil, fmt.Errorf("response %d to request %d: the connection is out of sync", id, e.id)
	}
	var err error
	e.in, err = readN(rw, int(n), e.alloc)
	return e, err
}

// interruptible interrupts I/O on the connection when ctx ends, so that a cancelled long poll does
// not linger. The returned func waits for an interruption that has started, since it must not
// affect the connection's next user.
func interruptible(ctx context.Context, setDeadline func(time.Time) error) func() {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = setDeadline(time.Unix(1, 0)) // a connection that refuses a deadline is closed
	})
	return func() {
		if !stop() {
			<-interrupted
		}
	}
}

func readN(r io.Reader, n int, alloc func(int) []byte) ([]byte, error) {
	if n <= trusted {
		b := alloc(n)
		_, err := io.ReadFull(r, b)
		return b, err
	}
	var b bytes.Buffer
	b.Grow(trusted)
	m, err := io.CopyN(&b, r, int64(n))
	if errors.Is(err, io.EOF) && m < int64(n) {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

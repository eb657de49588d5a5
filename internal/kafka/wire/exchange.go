package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

const (
	// maxResponse is above every message.max.bytes in use. A size beyond it is no Kafka answer at
	// all.
	maxResponse = 1 << 30
	// trusted is what is allocated on the word of the four size bytes alone; the rest grows with
	// what really arrives.
	trusted = 16 << 20
)

// exchange is one request and its answer as bytes. The Transport hands it a connection that is
// authenticated and that nobody else uses.
//
// Both are spelled outside: when ctx ends, RoundTrip returns while RawExchange may still hold the
// connection, so it must share nothing with the caller but its own fields, which the caller then no
// longer reads.
type exchange struct {
	ctx   context.Context
	key   int16
	id    int32
	out   []byte
	alloc func(n int) []byte // of a slice of n bytes for the answer
	in    []byte
	way   *Sending // nil: nobody asks
}

var (
	_ protocol.Message      = (*exchange)(nil)
	_ protocol.RawExchanger = (*exchange)(nil)
)

func (e *exchange) ApiKey() protocol.ApiKey                 { return protocol.ApiKey(e.key) }
func (e *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request and reads the answer to it.
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
		return nil, fmt.Errorf("an answer of %d bytes is not Kafka's protocol: check that the port is a Kafka listener, and whether it speaks TLS", n+4)
	}
	if id := int32(binary.BigEndian.Uint32(head[4:])); id != e.id {
		return nil, fmt.Errorf("answer %d to request %d: the connection is out of step", id, e.id)
	}
	var err error
	e.in, err = readN(rw, int(n), e.alloc)
	return e, err
}

// interruptible breaks off what is going on with the connection when ctx ends, so that a cancelled
// long poll does not linger. The returned func waits for a break that has begun: it must not hit
// the connection's next user.
func interruptible(ctx context.Context, setDeadline func(time.Time) error) func() {
	begun := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(begun)
		_ = setDeadline(time.Unix(1, 0)) // a connection that refuses a deadline is closed already
	})
	return func() {
		if !stop() {
			<-begun
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
	if err == io.EOF && m < int64(n) {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

package deadletter

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"
)

// Rung is how much a letter leaves out of the record and the failure. Each rung leaves out more
// than the one before.
type Rung int

const (
	Whole         Rung = iota
	WithoutStack       // without the stack and most of the error
	WithoutHeader      // and without the record's own headers
	WithoutValue       // and with a reference to the record as its value
	WithoutKey         // and as its key, and only the start of each text: about 1 KiB is left
)

// The names in Letter.Abridged.
const (
	partStack   = "stack"
	partHeaders = "headers"
	partValue   = "value"
	partKey     = "key"
	partTime    = "time"
)

// limits are the maximum bytes of each text.
type limits struct{ name, err, types, stack int }

func (r Rung) limits() limits {
	switch {
	case r >= WithoutKey:
		return limits{name: 32, err: 32, types: 32}
	case r >= WithoutStack:
		return limits{name: 256, err: 256, types: 256}
	}
	return limits{name: 256, err: 4 << 10, types: 1 << 10, stack: 16 << 10}
}

// Refused is what a topic refuses of a record, besides its size.
type Refused struct {
	Time  bool // the producer sets it
	NoKey bool // a record without a key gets a reference for it
}

// Record returns the dead letter of m: its headers and those of l, without the parts that the rung
// leaves out, or that its topic refuses. Headers of an earlier failure are replaced, except the
// count of redrives.
func (l Letter) Record(m kafka.Message, r Rung, no Refused) kafka.Message {
	again := Redriven(m.Headers)
	own := Strip(m.Headers)
	var left []string
	leave := func(part string) { left = append(left, part) }
	if r >= WithoutStack && l.Stack != "" {
		leave(partStack)
	}
	if r >= WithoutHeader && len(own) > 0 {
		leave(partHeaders)
		own = own[:0]
	}
	place := fmt.Appendf(nil, "%s[%d]@%d", l.Topic, l.Partition, l.Offset)
	if r >= WithoutValue && len(m.Value) > len(place) {
		leave(partValue)
		m.Value = place
	}
	if short := place[len(l.Topic):]; r >= WithoutKey && len(m.Key) > len(short) || no.NoKey && m.Key == nil {
		leave(partKey)
		m.Key = short
	}
	if no.Time {
		leave(partTime)
		m.Time = time.Time{}
	}
	l.Abridged = strings.Join(left, ", ")
	m.Headers = l.sign(own, r.limits(), again)
	return m
}

// sign appends the headers of l.
func (l Letter) sign(out []kafka.Header, most limits, again int) []kafka.Header {
	add := func(key, value string, most int) {
		if value = cut(value, most); value != "" {
			out = append(out, kafka.Header{Key: key, Value: []byte(value)})
		}
	}
	const whole = 256 // more than any of these can be
	add(topic, l.Topic, whole)
	add(partition, strconv.Itoa(l.Partition), whole)
	add(offset, strconv.FormatInt(l.Offset, 10), whole)
	add(origin, l.Source, most.name)
	add(recorded, stamp(l.Time), whole)
	add(failed, stamp(l.Failed), whole)
	add(group, l.Group, most.name)
	add(step, l.Step, most.name)
	add(attempts, strconv.Itoa(l.Attempts), whole)
	add(reason, l.Error, most.err)
	add(types, l.Types, most.types)
	add(stack, l.Stack, most.stack)
	add(abridged, l.Abridged, whole)
	if again > 0 {
		out = append(out, count(again))
	}
	return out
}

// cut shortens s to at most n bytes, without splitting a character. Invalid UTF-8 is replaced,
// since every tool shows it as text.
func cut(s string, n int) string {
	const dots = "…"
	if s = strings.ToValidUTF8(s, "\uFFFD"); len(s) <= n {
		return s
	}
	if n -= len(dots); n <= 0 {
		return ""
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + dots
}

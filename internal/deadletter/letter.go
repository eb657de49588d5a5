package deadletter

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Letter holds what the headers of a dead letter say.
type Letter struct {
	Topic     string // origin of the record
	Partition int
	Offset    int64
	Source    string    // the source of a Merge that read the record; empty: the chain has one
	Time      time.Time // of the record; zero if not told
	Failed    time.Time // when it became a dead letter
	Group     string    // consumer group that failed; empty if not told
	Step      string    // the step that failed
	Error     string    // the error with all it wraps
	Types     string    // of the error and of what it wraps, outermost first
	Attempts  int
	Stack     string // of a panic
	Redriven  int    // how often it was sent back before this failure
	// the parts left out so that its topic accepts it, of "stack, headers, value, key, time"; empty
	// if none
	Abridged string
}

// Complete reports whether the letter still has the whole record: key, value and headers. Its time
// is in Time.
func (l Letter) Complete() bool {
	for part := range strings.SplitSeq(l.Abridged, ", ") {
		if part == partHeaders || part == partValue || part == partKey {
			return false
		}
	}
	return true
}

const prefix = "laneway."

const (
	topic     = prefix + "origin.topic"
	partition = prefix + "origin.partition"
	offset    = prefix + "origin.offset"
	origin    = prefix + "origin.source"
	recorded  = prefix + "origin.time"
	group     = prefix + "group"
	failed    = prefix + "failed"
	step      = prefix + "step"
	reason    = prefix + "error"
	types     = prefix + "error.types"
	attempts  = prefix + "attempts"
	stack     = prefix + "stack"
	redriven  = prefix + "redriven"
	abridged  = prefix + "abridged"
)

// Read reads the headers of a record. It fails if they are not those of a dead letter.
func Read(headers []kafka.Header) (l Letter, err error) {
	said := map[string]string{}
	for _, h := range headers {
		if strings.HasPrefix(h.Key, prefix) {
			said[h.Key] = string(h.Value)
		}
	}
	if said[topic] == "" {
		return l, fmt.Errorf("not a dead letter: the header %s is missing", topic)
	}
	var errs [3]error
	l = Letter{Topic: said[topic], Source: said[origin], Group: said[group], Step: said[step], Error: said[reason], Types: said[types], Stack: said[stack], Redriven: Redriven(headers), Abridged: said[abridged]}
	l.Partition, errs[0] = strconv.Atoi(said[partition])
	l.Offset, errs[1] = strconv.ParseInt(said[offset], 10, 64)
	l.Attempts, errs[2] = strconv.Atoi(said[attempts])
	for _, err := range errs {
		if err != nil {
			return l, fmt.Errorf("not a dead letter: %w", err)
		}
	}
	l.Time, l.Failed = stamped(said[recorded]), stamped(said[failed])
	return l, nil
}

// Strip returns headers without those of this package.
func Strip(headers []kafka.Header) []kafka.Header {
	out := make([]kafka.Header, 0, len(headers)+12)
	for _, h := range headers {
		if !strings.HasPrefix(h.Key, prefix) {
			out = append(out, h)
		}
	}
	return out
}

// Back returns the record's own headers and the count of its redrives, raised by one.
func Back(headers []kafka.Header) []kafka.Header {
	return append(Strip(headers), count(Redriven(headers)+1))
}

// Redriven returns how often a record was sent back.
func Redriven(headers []kafka.Header) int {
	for _, h := range headers {
		if h.Key == redriven {
			n, _ := strconv.Atoi(string(h.Value)) // an invalid count is 0
			return n
		}
	}
	return 0
}

func count(n int) kafka.Header { return kafka.Header{Key: redriven, Value: []byte(strconv.Itoa(n))} }

// stamp returns a time as text, empty for the zero time: RFC 3339 or, for a year without four
// digits, milliseconds.
func stamp(t time.Time) string {
	switch t = t.UTC(); {
	case t.IsZero():
		return ""
	case t.Year() < 0 || t.Year() > 9999:
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return t.Format(time.RFC3339Nano)
}

// stamped reads a time written by stamp. Other text gives the zero time.
func stamped(s string) time.Time {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC()
	}
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}

package deadletter

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Letter is what a dead letter says of itself.
type Letter struct {
	Topic     string // where the record came from
	Partition int
	Offset    int64
	Time      time.Time // the record's own; zero: it is not told
	Failed    time.Time // when it became a dead letter
	Group     string    // whose worker failed; empty: it does not say
	Step      string    // where
	Error     string    // why, with what the error wraps
	Types     string    // of the error and what it wraps, outermost first
	Attempts  int
	Stack     string // of a panic
	Redriven  int    // how often it was sent back before it failed this time
	// what was left out so that its topic takes it, of "stack, headers, value, key, time"; empty:
	// nothing
	Abridged string
}

// Complete reports whether the letter still has all of the record: key, value and headers. Its time
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

// Read reads what a record's headers say; it is an error where they are not those of a dead letter.
func Read(headers []kafka.Header) (l Letter, err error) {
	said := map[string]string{}
	for _, h := range headers {
		if strings.HasPrefix(h.Key, prefix) {
			said[h.Key] = string(h.Value)
		}
	}
	if said[topic] == "" {
		return l, fmt.Errorf("it is no dead letter: it has no header %s", topic)
	}
	var errs [3]error
	l = Letter{Topic: said[topic], Group: said[group], Step: said[step], Error: said[reason], Types: said[types], Stack: said[stack], Redriven: Redriven(headers), Abridged: said[abridged]}
	l.Partition, errs[0] = strconv.Atoi(said[partition])
	l.Offset, errs[1] = strconv.ParseInt(said[offset], 10, 64)
	l.Attempts, errs[2] = strconv.Atoi(said[attempts])
	for _, err := range errs {
		if err != nil {
			return l, fmt.Errorf("its headers are not those of a dead letter: %w", err)
		}
	}
	l.Time, l.Failed = stamped(said[recorded]), stamped(said[failed])
	return l, nil
}

// Strip is headers without those of this package.
func Strip(headers []kafka.Header) []kafka.Header {
	out := make([]kafka.Header, 0, len(headers)+12)
	for _, h := range headers {
		if !strings.HasPrefix(h.Key, prefix) {
			out = append(out, h)
		}
	}
	return out
}

// Back is a dead letter's headers as they were, and the count of its redrives raised by one.
func Back(headers []kafka.Header) []kafka.Header {
	return append(Strip(headers), count(Redriven(headers)+1))
}

// Redriven is how often a record was sent back already.
func Redriven(headers []kafka.Header) int {
	for _, h := range headers {
		if h.Key == redriven {
			n, _ := strconv.Atoi(string(h.Value)) // what is no count counts for nothing
			return n
		}
	}
	return 0
}

func count(n int) kafka.Header { return kafka.Header{Key: redriven, Value: []byte(strconv.Itoa(n))} }

// stamp is a time as text, empty for none: RFC 3339 or, for a year that has not four digits, its
// milliseconds.
func stamp(t time.Time) string {
	switch t = t.UTC(); {
	case t.IsZero():
		return ""
	case t.Year() < 0 || t.Year() > 9999:
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return t.Format(time.RFC3339Nano)
}

// stamped reads what stamp wrote; what is neither is no time.
func stamped(s string) time.Time {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC()
	}
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}

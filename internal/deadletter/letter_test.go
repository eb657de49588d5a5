package deadletter

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"
)

var whole = Letter{Topic: "orders", Partition: 3, Offset: 41207, Time: time.UnixMilli(1_700_000_000_123).UTC(), Failed: time.UnixMilli(1_700_000_001_000).UTC(),
	Source: "eu", Group: "billing", Step: "charge", Error: "no money: card declined", Types: "*bank.Error, *errors.errorString", Attempts: 3, Stack: "goroutine 1"}

// headersOf returns the headers of the letter of a record with those headers.
func headersOf(l Letter, headers []kafka.Header) []kafka.Header {
	return l.Record(kafka.Message{Headers: headers}, Whole, Refused{}).Headers
}

func TestLetter(t *testing.T) {
	t.Run("is read as it was written", func(t *testing.T) {
		own := []kafka.Header{{Key: "trace", Value: []byte("1")}, {Key: "trace", Value: []byte("2")}}
		headers := headersOf(whole, own)
		if got, err := Read(headers); err != nil || !reflect.DeepEqual(got, whole) {
			t.Errorf("%+v %v", got, err)
		}
		if !reflect.DeepEqual(headers[:2], own) || len(Strip(headers)) != 2 {
			t.Errorf("the record's own headers became %v", headers)
		}
	})
	t.Run("keeps the count of redrives", func(t *testing.T) {
		headers := headersOf(whole, nil)
		for n := 1; n <= 3; n++ {
			back := Back(headers)
			if len(back) != 1 {
				t.Errorf("sent back with %v", back)
			}
			headers = headersOf(whole, back)
			if l, err := Read(headers); err != nil || l.Redriven != n {
				t.Errorf("redriven %d times, want %d: %v", l.Redriven, n, err)
			}
		}
		if n := len(headers); n != len(headersOf(whole, nil))+1 {
			t.Errorf("%d headers after three failures", n)
		}
	})
	t.Run("is not read from other records", func(t *testing.T) {
		if _, err := Read([]kafka.Header{{Key: "trace", Value: []byte("1")}}); err == nil || !strings.Contains(err.Error(), "not a dead letter") {
			t.Error(err)
		}
		bad := headersOf(whole, nil)
		for i := range bad {
			if bad[i].Key == offset {
				bad[i].Value = []byte("x")
			}
		}
		if _, err := Read(bad); err == nil {
			t.Error("an invalid offset was accepted")
		}
	})
}

func TestTimes(t *testing.T) {
	for _, at := range []time.Time{time.UnixMilli(0), time.UnixMilli(-1), time.UnixMilli(-86_400_000), time.UnixMilli(math.MinInt64), time.UnixMilli(math.MaxInt64)} {
		t.Run(fmt.Sprintf("survive, %d", at.UnixMilli()), func(t *testing.T) {
			l := whole
			l.Time = at.UTC()
			if got, err := Read(headersOf(l, nil)); err != nil || !got.Time.Equal(at) {
				t.Errorf("%v became %v: %v", at, got.Time, err)
			}
		})
	}
}

func size(m kafka.Message) int {
	n := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

func TestRung(t *testing.T) {
	l := whole
	l.Topic = strings.Repeat("o", 100)
	l.Error, l.Stack, l.Step, l.Types = strings.Repeat("é", 1<<20), strings.Repeat("x", 1<<20), strings.Repeat("s", 1<<20), strings.Repeat("t", 1<<20)
	large := bytes.Repeat([]byte("l"), 1<<20)
	m := kafka.Message{Key: large, Value: large, Time: l.Time, Headers: []kafka.Header{{Key: "trace", Value: large}, {Key: redriven, Value: []byte("2")}}}
	for r, want := range []struct {
		most     int
		abridged string
	}{{3<<20 + 24<<10, ""}, {3<<20 + 2<<10, "stack"}, {2<<20 + 2<<10, "stack, headers"}, {1<<20 + 2<<10, "stack, headers, value"}, {800, "stack, headers, value, key"}} {
		t.Run(fmt.Sprintf("%d leaves out %q", r, want.abridged), func(t *testing.T) {
			got := l.Record(m, Rung(r), Refused{})
			if n := size(got); n > want.most {
				t.Errorf("%d bytes, want at most %d", n, want.most)
			}
			told, err := Read(got.Headers)
			if err != nil || told.Abridged != want.abridged || told.Complete() != (Rung(r) < WithoutHeader) || told.Redriven != 2 ||
				told.Topic != l.Topic || told.Partition != 3 || told.Offset != 41207 || !told.Time.Equal(l.Time) {
				t.Errorf("%+v %v", told, err)
			}
			if ref := l.Topic + "[3]@41207"; Rung(r) >= WithoutValue && string(got.Value) != ref {
				t.Errorf("its value is %.200q", got.Value)
			}
			for _, h := range got.Headers[len(Strip(got.Headers)):] {
				if !utf8.Valid(h.Value) {
					t.Errorf("%s is cut within a character", h.Key)
				}
			}
		})
	}
	t.Run("keeps parts smaller than a reference", func(t *testing.T) {
		got := whole.Record(kafka.Message{Key: []byte("k"), Value: nil, Time: whole.Time}, WithoutKey, Refused{})
		if told, err := Read(got.Headers); err != nil || !told.Complete() || string(got.Key) != "k" || got.Value != nil || !got.Time.Equal(whole.Time) {
			t.Errorf("%+v %+v %v", got, told, err)
		}
	})
	t.Run("keeps the record's time when the time is refused", func(t *testing.T) {
		got := whole.Record(kafka.Message{Time: whole.Time}, Whole, Refused{Time: true})
		if told, err := Read(got.Headers); err != nil || told.Abridged != "time" || !told.Complete() || !told.Time.Equal(whole.Time) || !got.Time.IsZero() {
			t.Errorf("%+v %+v %v", got, told, err)
		}
	})
}

func TestText(t *testing.T) {
	t.Run("with invalid UTF-8 keeps its valid part", func(t *testing.T) {
		l := whole
		l.Error, l.Step, l.Group = "card \xff\xfe declined", "\xc3", strings.Repeat("\xbf", 1000)
		headers := headersOf(l, nil)
		for _, h := range headers {
			if !utf8.Valid(h.Value) {
				t.Errorf("%s: %q", h.Key, h.Value)
			}
		}
		if told, err := Read(headers); err != nil || told.Error != "card \uFFFD declined" || told.Step != "\uFFFD" || told.Group == "" {
			t.Errorf("%+v %v", told, err)
		}
	})
}

package deadletter

import (
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
	Group: "billing", Step: "charge", Error: "no money: card declined", Types: "*bank.Error, *errors.errorString", Attempts: 3, Stack: "goroutine 1"}

func TestWhatIsSignedIsRead(t *testing.T) {
	own := []kafka.Header{{Key: "trace", Value: []byte("1")}, {Key: "trace", Value: []byte("2")}}
	headers := whole.Sign(own, false)
	if got, err := Read(headers); err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("%+v %v", got, err)
	}
	if !reflect.DeepEqual(headers[:2], own) || len(Strip(headers)) != 2 {
		t.Errorf("the record's own headers became %v", headers)
	}
}

func TestTimes(t *testing.T) {
	for _, at := range []time.Time{time.UnixMilli(0), time.UnixMilli(-1), time.UnixMilli(-86_400_000), time.UnixMilli(math.MinInt64), time.UnixMilli(math.MaxInt64)} {
		t.Run(fmt.Sprintf("are told as they were, %d", at.UnixMilli()), func(t *testing.T) {
			l := whole
			l.Time = at.UTC()
			if got, err := Read(l.Sign(nil, false)); err != nil || !got.Time.Equal(at) {
				t.Errorf("%v became %v: %v", at, got.Time, err)
			}
		})
	}
}

func TestTheCountOfRedrivesOutlivesEachDeath(t *testing.T) {
	headers := whole.Sign(nil, false)
	for n := 1; n <= 3; n++ {
		back := Back(headers)
		if len(back) != 1 {
			t.Errorf("sent back with %v", back)
		}
		headers = whole.Sign(back, false)
		if l, err := Read(headers); err != nil || l.Redriven != n {
			t.Errorf("redriven %d times, it was %d: %v", l.Redriven, n, err)
		}
	}
	if n := len(headers); n != len(whole.Sign(nil, false))+1 {
		t.Errorf("%d headers after three deaths", n)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	l := whole
	l.Error, l.Stack, l.Step, l.Types = strings.Repeat("é", 1<<20), strings.Repeat("x", 1<<20), strings.Repeat("s", 1<<20), strings.Repeat("t", 1<<20)
	for brief, most := range map[bool]int{false: 24 << 10, true: 3 << 10} {
		size := 0
		for _, h := range l.Sign(nil, brief) {
			size += len(h.Key) + len(h.Value)
			if !utf8.Valid(h.Value) {
				t.Errorf("%s is cut inside a character", h.Key)
			}
		}
		if size > most {
			t.Errorf("%d bytes of headers", size)
		}
	}
}

func TestOtherRecordsAreNoDeadLetters(t *testing.T) {
	if _, err := Read([]kafka.Header{{Key: "trace", Value: []byte("1")}}); err == nil || !strings.Contains(err.Error(), "no dead letter") {
		t.Error(err)
	}
	bad := whole.Sign(nil, false)
	for i := range bad {
		if bad[i].Key == offset {
			bad[i].Value = []byte("x")
		}
	}
	if _, err := Read(bad); err == nil {
		t.Error("an offset that is none is read")
	}
}

package stream_test

import (
	"errors"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// panics says of which method a call panics once the run has begun.
type panics struct {
	in    string
	begun bool
}

func (p *panics) maybe(method string) {
	if p.begun && p.in == method {
		panic("oops")
	}
}

type panickySource struct {
	*hand
	*panics
}

func (s *panickySource) Info() stream.SourceInfo {
	s.maybe("Info")
	return s.hand.Info()
}

func (s *panickySource) GroupMetadata() stream.GroupMetadata {
	s.maybe("GroupMetadata")
	return stream.GroupMetadata{}
}

type panickyVault struct {
	*database
	*panics
}

func (v *panickyVault) StateBytes() int {
	v.maybe("StateBytes")
	return 0
}

type panickyLineage struct {
	place
	*panics
}

func (l *panickyLineage) Meta(i int) stream.Meta {
	l.maybe("Meta")
	return l.place.Meta(i)
}

func (l *panickyLineage) Key(i int) []byte {
	l.maybe("Key")
	return l.place.Key(i)
}

func (l *panickyLineage) Offset(i int) int64 {
	l.maybe("Offset")
	return l.place.Offset(i)
}

type panickySink struct{ sink[string] }

func (*panickySink) Reads([]string) { panic("oops") }

// A panic in such code of the user ends the run with an error that says where, and not the process.
func TestPanicOfMethod(t *testing.T) {
	for method, chain := range map[string]func(stream.Stream[string], *panics) stream.Stream[string]{
		"Info": func(s stream.Stream[string], _ *panics) stream.Stream[string] { return commitNow(s.Serial(pass)) },
		"GroupMetadata": func(s stream.Stream[string], _ *panics) stream.Stream[string] {
			return s.CommitWith(newDatabase(), 1, 0)
		},
		"StateBytes": func(s stream.Stream[string], p *panics) stream.Stream[string] {
			return s.CommitWith(&panickyVault{newDatabase(), p}, 1, 0)
		},
	} {
		t.Run(method, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := &panics{in: method}
				s := &panickySource{newHand(1), p}
				j := s.hand.start(t, chain(stream.From(func() stream.Source[string] { return s }), p))
				elapse(time.Second)
				p.begun = true
				s.feed(0, 1, "a")
				elapse(time.Minute)
				if j.running() {
					t.Fatal("it runs")
				}
				says(t, j.err, method, "oops")
				if e := new(stream.PanicError); !errors.As(j.err, &e) {
					t.Error(j.err)
				}
			})
		})
	}
	t.Run("Reads", func(t *testing.T) {
		says(t, input.GroupByPartition().To(&panickySink{}).Run(t.Context(), newLog(1).Source()), "Reads", "oops")
	})
	t.Run("Wake", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, s := newWork(), &feedsAtOnce{assigned: make(chan struct{}), left: []string{"a", "b"}}
			s.wake = func() { panic("oops") }
			hold := w.hold("a")
			j := launch(t, nil, nil, commitNow(stream.From(func() stream.Source[string] { return s }).Serial(w.do)), stream.MaxInFlight(1))
			<-s.assigned
			hold()
			elapse(time.Minute)
			says(t, j.wait(), "Wake of an Assignment", "oops")
		})
	})
	for method, of := range map[string]string{"Meta": "a Lineage", "Key": "a Lineage", "Offset": "a Lineage", "Expired": "an Assignment"} {
		t.Run(method, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, s := &panics{in: method, begun: true}, newHand(1)
				s.until = func() bool { p.maybe("Expired"); return false }
				j := s.start(t, commitNow(s.chain().GroupByKey().Concurrent(2, func(c ctx, _ string) error {
					stream.MetaOf(c)
					return nil
				})))
				// as a source would that feeds from a goroutine of its own
				h := s.parts[0]
				h.Feed([]string{"a"}, &panickyLineage{place{h.TopicPartition(), 0}, p}, 1, 1)
				elapse(time.Minute)
				if j.running() {
					t.Fatal("it runs")
				}
				says(t, j.err, "the "+method+" of "+of+": ", "oops")
			})
		})
	}
}

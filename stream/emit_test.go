package stream_test

import (
	"context"
	"testing"

	"github.com/laneway-go/laneway/stream"
)

// noisy is a sink that tells something when it is opened and when it is written to.
type noisy struct{ emit func(stream.Event) }

func (s *noisy) Open(c context.Context) error {
	s.emit = stream.EmitterOf(c)
	return nil
}

func (s *noisy) Write(context.Context, []stream.Out[string]) error {
	s.emit(stream.SinkEvent{Sink: "noisy", Name: "written"})
	return nil
}

func TestSinkEvent(t *testing.T) {
	t.Run("reaches the observers of the pipeline that opened the sink", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			j := start(t, l, commitNow(input.To(&noisy{})))
			elapse(0)
			if es := heard[stream.SinkEvent](j); len(es) != 1 || es[0].Name != "written" {
				t.Errorf("events: %v", es)
			}
		})
	})
	t.Run("is nothing in any other context", func(*testing.T) { stream.EmitterOf(context.Background())(stream.SinkEvent{}) })
}

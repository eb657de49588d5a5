package conformance

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// StateLog is one partition of records and the group that reads it, one member at a time. It tests
// the resume states that a source stores with its offsets.
type StateLog interface {
	Append(n int)         // records
	Foreign(offset int64) // committed by another client, without a state
	Recreate()            // recreates the topic
	// a member that assigns itself the partition; assigned receives the assignment, and must not block
	Source(assigned func(stream.Assignment)) stream.Source[kafka.Message]
}

// RunStates runs the suite for a source that stores states, alone and in a Merge. open returns an
// empty log that accepts states of up to limit bytes.
func RunStates(t *testing.T, open func(t *testing.T, limit int) StateLog) {
	const refused = 1000
	for name, c := range map[string]struct {
		size   int            // size of the states; 0: the source's StateBytes
		limit  int            // 0: the backend's default
		before func(StateLog) // called before the second member starts
		// expected of the second member's assignment
		committed int64
		kept      bool
	}{
		"a state is assigned with its offset":          {size: 300, committed: 10, kept: true},
		"a state may be as large as StateBytes":        {committed: 10, kept: true},
		"a commit of another client clears the state":  {size: 300, before: func(l StateLog) { l.Foreign(7) }, committed: 7},
		"a state of another topic is gone":             {size: 300, before: func(l StateLog) { l.Recreate() }, committed: -1},
		"a refused state leaves the offset stored":     {size: refused, limit: refused - 1, committed: 10},
		"half the size of a refused state is accepted": {size: refused / 2, limit: refused - 1, committed: 10, kept: true},
	} {
		test := func(t *testing.T, merged bool) {
			l := open(t, c.limit)
			l.Append(10)
			first := startStating(t, l, c.size, merged)
			was := first.assignment()
			first.awaitCommitted(0, 10)
			if c.size == refused {
				awaitEvent(first.worker, "the limit is reported", func(e stream.SourceEvent) bool {
					return e.Name == "state refused" && e.Err != nil || e.Name == "state limit" // learned, or asked for
				})
				if left := first.probe.Info().StateBytes; left >= refused || left < refused/2 {
					t.Errorf("after a refused state of %d bytes, StateBytes is %d", refused, left)
				}
			}
			first.stop()
			if c.before != nil {
				c.before(l)
			}
			second := startStating(t, l, c.size, merged)
			got := second.assignment()
			want := ""
			if c.kept {
				want = first.probe.state
			}
			if got.Committed != c.committed || got.State != want {
				t.Errorf("assigned %d and a state of %d bytes, want %d and %d", got.Committed, len(got.State), c.committed, len(want))
			}
			if got.Scope == "" || got.Scope != was.Scope {
				t.Errorf("stored under %q, then %q", was.Scope, got.Scope)
			}
			if got.State != "" && got.LogEnd != 10 {
				t.Errorf("LogEnd is %d, want 10", got.LogEnd)
			}
			second.stop()
		}
		t.Run(name, func(t *testing.T) { test(t, false) })
		t.Run("below a Merge/"+name, func(t *testing.T) { test(t, true) })
	}
}

// state returns a state of n bytes, with all allowed characters.
func state(n int) string {
	s := make([]byte, n)
	for i := range s {
		s[i] = byte(' ' + i%('~'-' '+1))
	}
	return string(s)
}

// stating is a worker whose commits all store a state of one size.
type stating struct {
	*worker
	probe *probe
}

func startStating(t *testing.T, l StateLog, size int, merged bool) stating {
	t.Helper()
	p := &probe{assigned: make(chan stream.Assignment, 10)}
	p.Source = l.Source(func(a stream.Assignment) { p.assigned <- a })
	p.state = state(cmp.Or(size, p.Info().StateBytes))
	work := newWork()
	m := Member(alone{p})
	if merged {
		m = beside{m}
	}
	w := startMember(t, m, func(s messages) built { return s.Serial(work.do).CommitEvery(1000, 20*time.Millisecond) })
	return stating{w, p}
}

// assignment waits for the worker's first assignment.
func (s stating) assignment() stream.Assignment {
	s.t.Helper()
	select {
	case a := <-s.probe.assigned:
		return a
	case <-time.After(patience):
		s.t.Fatalf("nothing was assigned within %v", patience)
		return stream.Assignment{}
	}
}

// probe is a source that stores its own state instead of the pipeline's.
type probe struct {
	stream.Source[kafka.Message]
	state    string
	assigned chan stream.Assignment
}

func (p *probe) Commit(ctx context.Context, positions map[stream.TopicPartition]stream.Position) error {
	with := make(map[stream.TopicPartition]stream.Position, len(positions))
	for tp, at := range positions {
		at.State = p.state
		with[tp] = at
	}
	return p.Source.Commit(ctx, with)
}

// alone is the only member of its group.
type alone struct{ *probe }

func (a alone) Source(string) (messages, []stream.Option) {
	return stream.From(func() stream.Source[kafka.Message] { return a.probe }), nil
}

func (alone) Join() {}
func (alone) Left() {}

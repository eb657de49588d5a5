package conformance

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// StateLog is one partition of records and the group that reads it, one member at a time, for what
// a source owes the resume states that are stored with its offsets.
type StateLog interface {
	Append(n int)         // records
	Foreign(offset int64) // is committed by another client, which knows of no states
	Recreate()            // deletes the topic and makes it again
	// a member that is assigned the partition by itself; assigned is told how, and must not block
	Source(assigned func(stream.Assignment)) stream.Source[kafka.Message]
}

// RunStates runs the suite of a source that stores states. open gives an empty log that takes no
// state of more than limit bytes.
func RunStates(t *testing.T, open func(t *testing.T, limit int) StateLog) {
	const refused = 1000
	for name, c := range map[string]struct {
		size   int            // of the states; 0: as large as the source says
		limit  int            // 0: of the backend's choice
		before func(StateLog) // the second member comes
		// the second member's assignment
		committed int64
		kept      bool
	}{
		"AStateComesBackWithItsOffset":             {size: 300, committed: 10, kept: true},
		"AStateMayBeAsLargeAsIsSaid":               {committed: 10, kept: true},
		"ACommitOfAnotherClientClearsTheState":     {size: 300, before: func(l StateLog) { l.Foreign(7) }, committed: 7},
		"AStateOfAnotherTopicIsGone":               {size: 300, before: func(l StateLog) { l.Recreate() }, committed: -1},
		"AStateThatIsRefusedLeavesTheOffsetStored": {size: refused, limit: refused - 1, committed: 10},
		"HalfOfWhatWasRefusedIsTaken":              {size: refused / 2, limit: refused - 1, committed: 10, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, c.limit)
			l.Append(10)
			first := startStating(t, l, c.size)
			was := first.assignment()
			first.awaitCommitted(0, 10)
			if c.size == refused {
				awaitEvent(first.worker, "it is told", func(e stream.SourceEvent) bool { return e.Name == "state refused" && e.Err != nil })
				if left := first.probe.Info().StateBytes; left >= refused || left < refused/2 {
					t.Errorf("a state of %d bytes was refused, and %d are said to be stored", refused, left)
				}
			}
			first.stop()
			if c.before != nil {
				c.before(l)
			}
			second := startStating(t, l, c.size)
			got := second.assignment()
			want := ""
			if c.kept {
				want = first.probe.state
			}
			if got.Committed != c.committed || got.State != want {
				t.Errorf("assigned are %d and a state of %d bytes, want %d and %d", got.Committed, len(got.State), c.committed, len(want))
			}
			if got.Scope == "" || got.Scope != was.Scope {
				t.Errorf("stored under %q, then %q", was.Scope, got.Scope)
			}
			if got.State != "" && got.LogEnd != 10 {
				t.Errorf("the log ends at 10, not %d", got.LogEnd)
			}
			second.stop()
		})
	}
}

// state is one of n bytes, of all the characters that there may be.
func state(n int) string {
	s := make([]byte, n)
	for i := range s {
		s[i] = byte(' ' + i%('~'-' '+1))
	}
	return string(s)
}

// stating is a worker whose every commit stores a state of one size.
type stating struct {
	*worker
	probe *probe
}

func startStating(t *testing.T, l StateLog, size int) stating {
	t.Helper()
	p := &probe{assigned: make(chan stream.Assignment, 10)}
	p.Source = l.Source(func(a stream.Assignment) { p.assigned <- a })
	p.state = state(cmp.Or(size, p.Info().StateBytes))
	work := newWork()
	w := startMember(t, alone{p}, func(s messages) built { return s.Serial(work.do).CommitEvery(1000, 20*time.Millisecond) })
	return stating{w, p}
}

// assignment waits for the worker's first.
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

// probe is a source that has another state stored than the pipeline's.
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

// alone is a member that is a group by itself.
type alone struct{ *probe }

func (a alone) Source() (messages, []stream.Option) {
	return stream.From(func() stream.Source[kafka.Message] { return a.probe }), nil
}

func (alone) Join() {}
func (alone) Left() {}

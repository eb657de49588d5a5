package group

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stateLog records the sizes of a worker's states per request, and the refusals.
type stateLog struct {
	requests [][]int // sizes of the states in each OffsetCommit, smallest first
	refused  []string
}

// judged answers OffsetCommit with the codes of judge, which gets a request's sizes and one of its
// states. Code 0 means stored.
func judged(l *stateLog, judge func(all []int, state string) wire.Code) func(*worker) {
	return func(w *worker) {
		w.cfg.OnStateRefused = func(tp wire.TopicPartition, limit int, err error) {
			l.refused = append(l.refused, fmt.Sprintf("%d: %d, %v", tp.Partition, limit, err.(wire.Code).Name()))
		}
		w.cl.hook = func(r kmsg.Request) (kmsg.Response, error, bool) {
			if c, ok := r.(wire.Capped); ok {
				r = c.Request
			}
			req, ok := r.(*kmsg.OffsetCommitRequest)
			if !ok {
				return nil, nil, false
			}
			var sizes []int
			for _, t := range req.Topics {
				for _, p := range t.Partitions {
					sizes = append(sizes, len(stateIn(p.Metadata)))
				}
			}
			slices.Sort(sizes)
			l.requests = append(l.requests, sizes)
			resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, t := range req.Topics {
				rt := kmsg.NewOffsetCommitResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					code := judge(sizes, stateIn(p.Metadata))
					rt.Partitions = append(rt.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: int16(code)})
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp, nil, true
		}
	}
}

func stateIn(metadata *string) string {
	_, state := wire.ReadNote(metadata)
	return state
}

// sized returns positions with states of these sizes, by partition.
func sized(sizes ...int) map[wire.TopicPartition]Position {
	at := map[wire.TopicPartition]Position{}
	for i, n := range sizes {
		at[orders(int32(i))] = Position{Offset: 7, LeaderEpoch: -1, State: strings.Repeat("s", n)}
	}
	return at
}

// upTo1000 is a broker that accepts states of up to 1,000 bytes.
func upTo1000(_ []int, state string) wire.Code {
	if len(state) > 1000 {
		return wire.OffsetMetadataTooLarge
	}
	return wire.None
}

func TestCommitState(t *testing.T) {
	commits := func(t *testing.T, judge func([]int, string) wire.Code, rounds ...map[wire.TopicPartition]Position) *stateLog {
		t.Helper()
		c, f, l := newCluster(t), newFloor(), &stateLog{}
		a := newWorker(t, c, f, "a", judged(l, judge)).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		for _, r := range rounds {
			asked := maps.Clone(r)
			if failed := a.Commit(t.Context(), r); len(failed) > 0 {
				t.Errorf("failed: %v", failed)
			}
			if !maps.Equal(asked, r) {
				t.Error("Commit changed its argument")
			}
		}
		return l
	}
	want := func(t *testing.T, l *stateLog, requests string, refused ...string) {
		t.Helper()
		if got := fmt.Sprint(l.requests); got != requests {
			t.Errorf("sent %s, want %s", got, requests)
		}
		if !slices.Equal(l.refused, refused) {
			t.Errorf("refused %q, want %q", l.refused, refused)
		}
	}
	t.Run("larger than any before is sent alone", func(t *testing.T) {
		l := commits(t, upTo1000, sized(50, 60, 55), sized(60, 40, 0), sized(70, 60, 60))
		want(t, l, "[[60] [50 55] [0 40 60] [70] [60 60]]")
	})
	t.Run("that is refused is left out, and so are later larger ones", func(t *testing.T) {
		l := commits(t, upTo1000, sized(1600, 900, 10), sized(1600, 900, 10))
		want(t, l, "[[1600] [0] [10] [0] [0 0 10]]", "0: 800, OFFSET_METADATA_TOO_LARGE")
	})
	t.Run("that is refused sets the limit", func(t *testing.T) {
		l := commits(t, upTo1000, sized(700), sized(1001), sized(700))
		want(t, l, "[[700] [1001] [0] [700]]", "0: 700, OFFSET_METADATA_TOO_LARGE")
	})
	t.Run("that is refused does not affect the others of its request", func(t *testing.T) {
		lowered := false // the brokers' limit is lowered after states were stored
		l := commits(t, func(all []int, state string) wire.Code {
			if lowered {
				return upTo1000(all, state)
			}
			lowered = true
			return wire.None
		}, sized(1500), sized(1400, 300, 200))
		want(t, l, "[[1500] [200 300 1400] [0]]", "0: 700, OFFSET_METADATA_TOO_LARGE")
	})
	t.Run("is in no request of more than 512 KiB", func(t *testing.T) {
		s := &states{stored: 4000, limit: 4000}
		many := map[wire.TopicPartition]Position{}
		for i := range 1000 {
			many[orders(int32(i))] = Position{State: strings.Repeat("s", 4000)}
		}
		got := 0
		for one := range s.requests(many) {
			bytes := 0
			for _, at := range one {
				bytes += len(at.State) + wire.NoteBytes
			}
			if bytes > requestBytes || bytes < requestBytes-5000 && got+len(one) < len(many) {
				t.Errorf("a request has %d bytes", bytes)
			}
			got += len(one)
		}
		if got != len(many) {
			t.Errorf("sent %d", got)
		}
	})
	for _, code := range []wire.Code{wire.InvalidCommitOffsetSize, wire.MessageTooLarge, wire.RecordListTooLarge, wire.UnknownServerError} {
		t.Run("of a request that is too large is sent in halves/"+code.Name(), func(t *testing.T) {
			l := commits(t, func(all []int, _ string) wire.Code {
				if len(all) > 2 {
					return code
				}
				return wire.None
			}, sized(0, 0, 0, 0, 0))
			want(t, l, "[[0 0 0 0 0] [0 0 0] [0 0] [0] [0 0]]")
		})
		t.Run("too large for any request is left out/"+code.Name(), func(t *testing.T) {
			l := commits(t, func(all []int, state string) wire.Code {
				if state != "" {
					return code
				}
				return wire.None
			}, sized(200))
			want(t, l, "[[200] [0]]", "0: 100, "+code.Name())
		})
	}
	t.Run("is not blamed when the broker fails", func(t *testing.T) {
		a, l, fails := failing(t)
		a.Commit(t.Context(), sized(100))
		*fails = func([]int) bool { return true }
		for _, size := range []int{100, 3000} { // as large as one that was stored, and larger
			var again *RetriableError
			if err := a.Commit(t.Context(), sized(size))[orders(0)]; !errors.As(err, &again) || !errors.Is(err, wire.UnknownServerError) {
				t.Errorf("got %v", err)
			}
		}
		*fails = func([]int) bool { return false }
		a.Commit(t.Context(), sized(3000))
		want(t, l, "[[100] [100] [3000] [0] [3000]]")
	})
}

// A broker that fails for every offset gets a few requests for a commit, not two for each offset.
func TestCommitToFailingBroker(t *testing.T) {
	a, l, fails := failing(t)
	*fails = func([]int) bool { return true }
	failed := a.Commit(t.Context(), sized(0, 0, 0, 0, 0, 0))
	for i := range int32(6) {
		var again *RetriableError
		if err := failed[orders(i)]; !errors.As(err, &again) || !errors.Is(err, wire.UnknownServerError) {
			t.Errorf("partition %d: %v", i, err)
		}
	}
	if got := fmt.Sprint(l.requests); got != "[[0 0 0 0 0 0] [0 0 0] [0 0] [0] [0] [0]]" {
		t.Errorf("sent %s", got)
	}
	t.Run("for one offset stores the others", func(t *testing.T) {
		*fails = func([]int) bool { return false }
		a.Commit(t.Context(), sized(50)) // a state of that size fits, and marks the partition
		*fails = func(all []int) bool { return slices.Contains(all, 50) }
		if failed := a.Commit(t.Context(), sized(0, 0, 0, 50, 0, 0)); len(failed) != 1 || failed[orders(3)] == nil {
			t.Errorf("failed: %v", failed)
		}
	})
}

// failing returns a member whose coordinator answers commits of some state sizes with
// UNKNOWN_SERVER_ERROR.
func failing(t *testing.T) (*worker, *stateLog, *func(all []int) bool) {
	c, f, l := newCluster(t), newFloor(), &stateLog{}
	fails := func([]int) bool { return false }
	a := newWorker(t, c, f, "a", judged(l, func(all []int, _ string) wire.Code {
		if fails(all) {
			return wire.UnknownServerError
		}
		return wire.None
	})).start(t)
	f.awaitShares(t, map[string]int{"a": 6})
	return a, l, &fails
}

// A commit must not wait for a silent coordinator once per request.
func TestCommitStopsAtFirstUnansweredRequest(t *testing.T) {
	c, f, sent := newCluster(t), newFloor(), 0
	a := newWorker(t, c, f, "a", func(w *worker) {
		w.cl.hook = func(r kmsg.Request) (kmsg.Response, error, bool) {
			if capped, ok := r.(wire.Capped); ok {
				r = capped.Request
			}
			if _, ok := r.(*kmsg.OffsetCommitRequest); !ok {
				return nil, nil, false
			}
			sent++
			return nil, errors.New("no answer"), true
		}
	}).start(t)
	f.awaitShares(t, map[string]int{"a": 6})
	failed := a.Commit(t.Context(), sized(30, 20, 10, 0))
	var again *RetriableError
	for i := range int32(4) {
		if !errors.As(failed[orders(i)], &again) {
			t.Errorf("partition %d: %v", i, failed[orders(i)])
		}
	}
	if sent != 1 {
		t.Errorf("%d requests were sent", sent)
	}
}

func TestStateIsFetchedWithItsOffset(t *testing.T) {
	c, f := newCluster(t), newFloor()
	a := newWorker(t, c, f, "a").start(t)
	f.awaitShares(t, map[string]int{"a": 6})
	if failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7, State: "done 9", LeaderEpoch: 3}, orders(1): {Offset: 8, LeaderEpoch: -1}}); len(failed) > 0 {
		t.Fatal(failed)
	}
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	b := newWorker(t, c, f, "b").start(t)
	f.awaitShares(t, map[string]int{"b": 6})
	for tp, want := range map[wire.TopicPartition]Position{orders(0): {Offset: 7, State: "done 9", LeaderEpoch: 3}, orders(1): {Offset: 8, LeaderEpoch: -1}, orders(2): {Offset: -1, LeaderEpoch: -1}} {
		if got := b.assigned[0][tp]; got != want {
			t.Errorf("%v was assigned at %+v, want %+v", tp, got, want)
		}
	}
}

package stream_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// source of one partition, given to the test.
type byHand struct {
	quiet
	assigned chan<- *stream.Partition[string]
	in       *stream.Intake[string]
}

func (h *byHand) Run(ctx context.Context, in *stream.Intake[string]) error {
	h.in = in
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "t"}, Committed: -1})
	if err != nil {
		return err
	}
	h.assigned <- ps[0]
	<-ctx.Done()
	return nil
}

func TestALossEndsARevokeThatWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		assigned, hold := make(chan *stream.Partition[string], 1), make(chan struct{})
		src := &byHand{assigned: assigned}
		var ends []stream.Event
		c, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- input.Serial(func(ctx, string) error { <-hold; return nil }).Run(c,
				stream.ReplaceSource(func() stream.Source[string] { return src }), stream.Observe(stream.Observer{Event: func(e stream.Event) {
					switch e.(type) {
					case stream.Revoked, stream.Lost:
						ends = append(ends, e)
					}
				}}))
		}()
		p := <-assigned
		p.Feed([]string{"a"}, oneRecord{}, 1, 1)
		synctest.Wait()
		began, took := time.Now(), make(chan time.Duration, 1)
		go func() { src.in.Revoke(context.Background(), p); took <- time.Since(began) }()
		synctest.Wait()
		src.in.Lose(errBoom, p)
		if d := <-took; d > 0 {
			t.Errorf("the revoke of a lost partition went on for %v", d)
		}
		if _, lost := ends[0].(stream.Lost); len(ends) != 1 || !lost {
			t.Errorf("events %v, want that it was lost, and nothing else", ends)
		}
		close(hold)
		cancel()
		must(t, <-ended)
	})
}

type oneRecord struct{}

func (oneRecord) Meta(int) stream.Meta { return stream.Meta{Topic: "t"} }
func (oneRecord) Key(int) []byte       { return nil }
func (oneRecord) Offset(int) int64     { return 0 }

func TestAPartitionCannotBeAssignedTwiceInOneCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		twice := stream.From(func() stream.Source[string] { return assignsTwice{} })
		if err := twice.Serial(pass).Run(t.Context()); err == nil {
			t.Error("accepted")
		}
	})
}

type assignsTwice struct{ quiet }

func (assignsTwice) Run(ctx context.Context, in *stream.Intake[string]) error {
	a := stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "t"}, Committed: -1}
	_, err := in.Assign(ctx, a, a)
	return err
}

func TestADrainDoesNotWaitForWhoIsThrottled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		for i := range 100 {
			l.Append(0, fmt.Sprint(i), fmt.Sprint(i))
		}
		j := start(t, l, commitNow(input.GroupByKey().Throttle(1, 1).Concurrent(4, w.do)))
		elapse(2 * time.Second)
		began := time.Now()
		must(t, j.stop())
		if took := time.Since(began); took > 0 {
			t.Errorf("the drain took %v", took)
		}
		// whose turn comes first is nobody's to say
		if n, c := len(w.done()), l.Committed(0); n != 3 || c > 3 {
			t.Errorf("%d had their turn and %d is committed, want three turns", n, c)
		}
	})
}

package ops_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestDedupModel(t *testing.T) {
	// The model runs random halts, rebalances, losses and crashes over a chain with Dedup. No id is
	// committed before it was processed to the end, in the end all have been, and an undisturbed
	// assignment processes each once.
	t.Run("loses no id", func(t *testing.T) {
		for seed := range uint64(200) {
			synctest.Test(t, func(t *testing.T) {
				m := &dedupModel{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), log: streamtest.Kafka("orders", 1), done: map[string]int{}}
				m.append(30)
				for range 3 {
					m.live(2 + m.rnd.IntN(6))
				}
				m.calm = true
				m.log.Finish()
				before := m.total()
				if err := m.chain().Run(t.Context(), m.log.Source()); err != nil {
					t.Fatal(err)
				}
				m.check(m.log.End(0))
				if again := m.total() - before; again > len(m.done) {
					t.Errorf("%d ids were processed %d times too often by one undisturbed worker", len(m.done), again)
				}
			})
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	})
}

type dedupModel struct {
	t   *testing.T
	rnd *rand.Rand // the test's; handlers do not use it
	log *streamtest.Log[kafka.Message]
	ids []string // by offset

	mu    sync.Mutex // guards the fields below
	done  map[string]int
	calm  bool
	tries int
}

func (m *dedupModel) append(n int) {
	for range n {
		id := fmt.Sprint("id", m.rnd.IntN(12))
		m.ids = append(m.ids, id)
		m.log.Append(0, "", kafka.Message{Value: []byte(id)})
	}
}

func (m *dedupModel) chain() stream.Stream[kafka.Message] {
	return input.Via(ops.Dedup(value, 20)).Concurrent(4, m.work).HaltOnError().CommitEvery(1, 0)
}

// work fails or is cancelled now and then, by the number of its calls.
func (m *dedupModel) work(ctx context.Context, r kafka.Message) error {
	m.mu.Lock()
	m.tries++
	n, calm := m.tries, m.calm
	m.mu.Unlock()
	select {
	case <-time.After(time.Duration(n%7) * time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	if !calm && n%5 == 0 {
		return errors.New("unlucky")
	}
	m.mu.Lock()
	m.done[string(r.Value)]++
	m.mu.Unlock()
	return nil
}

// live runs one member through that many events.
func (m *dedupModel) live(events int) {
	member := m.log.Member()
	p, err := m.chain().Build(member.Source(), stream.DrainTimeout(time.Duration(m.rnd.IntN(5))*time.Millisecond))
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(m.t.Context())
	defer stop()
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	owned := false
	for range events {
		if !owned {
			_ = member.Assign(0)
			owned = true
		}
		time.Sleep(time.Duration(m.rnd.IntN(10)) * time.Millisecond) // virtual
		switch m.rnd.IntN(5) {
		case 0:
			_ = member.Revoke(0, 0)
			owned = false
		case 1:
			_ = member.Lose(0)
			owned = false
		case 2:
			m.append(3)
		default:
			for _, h := range p.Halts() {
				_ = p.Resume(h) // the partition may have been lost since
			}
		}
		m.check(m.log.Committed(0))
	}
	if m.rnd.IntN(2) == 0 {
		member.Crash()
	} else {
		stop()
	}
	<-ended // the error names the unfinished records
	synctest.Wait()
	m.check(m.log.Committed(0))
}

// check asserts that each committed id was processed to the end, or that another record with that
// id is uncommitted. Without order, the later of two records may come first, and the earlier one is
// then its duplicate.
func (m *dedupModel) check(committed int64) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for offset := range committed {
		if id := m.ids[offset]; m.done[id] == 0 && !slices.Contains(m.ids[committed:], id) {
			m.t.Errorf("%d is committed, and %s at %d was never done", committed, id, offset)
			return // and let the pipeline end
		}
	}
}

func (m *dedupModel) total() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, times := range m.done {
		n += times
	}
	return n
}

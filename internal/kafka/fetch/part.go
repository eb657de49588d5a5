package fetch

import (
	"errors"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// part is one added partition.
type part struct {
	tp TP
	p  Partition

	// guards removed; held across Feed, Advance and Halt, which return at once, so that Remove can
	// rule them out
	mu      sync.Mutex
	removed bool

	// Guarded by Fetcher.mu.
	home    *loop     // whose pollers read it; nil while it has no leader
	hot     bool      // its last answer brought records
	busy    bool      // a poller has it
	woken   bool      // it got room since a poller looked
	retryAt time.Time // not to be asked for before
	// when it last brought records, as a count; who brought none longest goes first in a request
	served  uint64
	replica int32     // a follower to read from, by the leader's advice; -1: the leader
	advised time.Time // when
	// waits to be removed: its position has to move back, or its topic is another one
	stopped  bool
	unknown  time.Time // since when the cluster has not known its topic
	epoch    int32     // of the leadership it is read under, -1: unknown
	topic    [16]byte  // id that it is read under; zero: not known yet
	failures int
	since    time.Time // of the first of them, or since when it has no leader
	told     bool      // it is in trouble, and that was told

	// Of the poller that has it.
	set  *batch.Set // decoded so far as there was room
	pos  int64      // where set goes on
	end  int64      // of the log, as of set
	from int64      // where set began
	wire int        // its bytes; 0: it says nothing of a record's size
	avg  float64    // bytes of a record on the wire
	// bytes that its next batch probably needs to come whole: from all but one partition of a
	// request, a broker sends no part of one
	want int
}

// do calls f unless the partition was removed.
func (p *part) do(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.removed {
		return false
	}
	f()
	return true
}

// room is what may be fetched now, 0 where records are still waiting to be fed.
func (p *part) room() (bytes int) {
	records, limit := p.p.Room()
	if records <= 0 {
		return 0
	}
	expected := float64(records) * p.avg * 1.1
	return max(int(min(float64(limit), expected, perPart)), least, p.want)
}

// take feeds what there is room for. It reports whether nothing is left to feed.
func (p *part) take() bool {
	if p.set == nil {
		return true
	}
	for p.set.More() {
		records, _ := p.p.Room()
		if records <= 0 {
			return false
		}
		next := p.p.Next()
		if next < p.pos {
			break
		}
		if next > p.pos { // what lies between is not wanted
			p.set.Skip(next)
			p.pos, p.wire = next, 0
		}
		msgs, size, err := p.set.Take(min(records, chunk))
		if err != nil {
			p.halt(err)
			break
		}
		p.pos = p.set.Next()
		ok := p.do(func() {
			if len(msgs) > 0 {
				p.p.Feed(msgs, p.pos, size, p.set.Epoch())
			} else {
				p.p.Advance(p.pos, p.end)
			}
		})
		if !ok {
			break
		}
	}
	if n := p.set.Whole(); n > 0 {
		p.want = n
	}
	p.learn()
	p.set.Close()
	p.set = nil
	return true
}

// alloc is room for n messages: from the partition, where it has memory to use again.
func (p *part) alloc(n int) []kafka.Message {
	if b, ok := p.p.(interface{ Buffer(n int) []kafka.Message }); ok {
		return b.Buffer(n)
	}
	return make([]kafka.Message, 0, n)
}

func (p *part) halt(err error) {
	var e *kafkaerr.BatchError
	if errors.As(err, &e) {
		p.do(func() { p.p.Halt(e.Offset, e.Next, err) })
	}
}

// learn keeps the size of records on the wire, from which the size of the next fetch follows: what
// comes beyond the room has to be kept.
func (p *part) learn() {
	if n := p.pos - p.from; n > 0 && p.wire > 0 {
		p.avg += (float64(p.wire)/float64(n) - p.avg) / 4
	}
}

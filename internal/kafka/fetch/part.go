package fetch

import (
	"errors"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// part is an added partition.
type part struct {
	tp wire.TopicPartition
	p  Partition

	// guards removed; held during Feed, Advance and Halt, which return at once, so that Remove excludes
	// them
	mu      sync.Mutex
	removed bool

	// Guarded by Fetcher.mu.
	home    *loop     // whose pollers read it; nil without a leader
	hot     bool      // its last response brought records
	busy    bool      // a poller has it
	woken   bool      // it got room since a poller last looked
	retryAt time.Time // not to be fetched before
	heard   time.Time // when it was last fetched
	// a count of when it last brought records; the partition with the lowest count goes first in a
	// request
	served  uint64
	replica int32     // a follower to read from, as advised by the leader; -1: read from the leader
	advised time.Time // when it was advised
	// waits to be removed: its position must move back, or its topic was recreated
	stopped  bool
	unknown  time.Time // since when the cluster has not known its topic
	epoch    int32     // leader epoch that it is read under; -1: unknown
	topic    [16]byte  // id that it is read by; zero: unknown
	failures int
	since    time.Time // time of the first failure, or since when it has no leader
	reported bool      // its trouble was reported

	// Used by the poller that has it.
	set  *batch.Set // decoded as far as there was room
	pos  int64      // next offset in set
	end  int64      // end of the log when set was fetched
	from int64      // offset at which set starts
	wire int        // size of set; 0: unusable as a measure of record size
	avg  float64    // bytes per record on the wire
	// bytes that its next batch probably needs: a broker sends no partial batch, except for one
	// partition of a request
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

// room is the number of bytes to fetch now; 0 while records wait to be fed.
func (p *part) room() (bytes int) {
	records, limit := p.p.Room()
	if records <= 0 {
		return 0
	}
	expected := float64(records) * p.avg * 1.1
	return max(int(min(float64(limit), expected, perPart)), least, p.want)
}

// take feeds records while there is room. It reports whether all are fed.
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
		if next > p.pos { // the records in between are not wanted
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

// alloc returns memory for n messages, from the partition if it has some to reuse.
func (p *part) alloc(n int) []kafka.Message {
	if b, ok := p.p.(interface{ Buffer(n int) []kafka.Message }); ok {
		return b.Buffer(n)
	}
	return make([]kafka.Message, 0, n)
}

func (p *part) halt(err error) {
	if e, ok := errors.AsType[*kafkaerr.BatchError](err); ok {
		p.do(func() { p.p.Halt(e.Offset, e.Next, err) })
	}
}

// learn measures the size of records on the wire, which determines the size of the next fetch:
// records beyond the room must be buffered.
func (p *part) learn() {
	if n := p.pos - p.from; n > 0 && p.wire > 0 {
		p.avg += (float64(p.wire)/float64(n) - p.avg) / 4
	}
}

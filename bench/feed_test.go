package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// feed is a source of n messages. It feeds as fast as there is room, like a broker's client: chunks
// of 256 messages, one chunk per partition in turn.
type feed struct {
	n          int
	partitions int
	keys       keyset // split between the partitions; each draws from its own keys at random
	value      []byte
	headers    []kafka.Header
	backlog    int // messages that are there from the start, with a rate
	rate       int // others arrive per second, at their Time; 0: as fast as there is room

	flows  time.Time     // since when others arrive
	ready  chan int      // partitions that may have room
	queued []atomic.Bool // which are in ready

	mu        sync.Mutex // guards the fields below
	offsetOf  []int64    // committed, by partition
	committed int64      // over all of them
}

func newFeed(n int) *feed {
	return &feed{n: n, partitions: 1, keys: keysOf(1000), value: payload[:8]}
}

func messages(n int) chain { return newFeed(n).stream() }

func (f *feed) stream() chain {
	return stream.From(func() stream.Source[kafka.Message] { return f })
}

func (f *feed) Info() stream.SourceInfo { return stream.SourceInfo{Name: "feed", StateBytes: 4096} }

func (f *feed) Commit(_ context.Context, positions map[stream.TopicPartition]stream.Position) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for tp, at := range positions {
		f.committed += at.Offset - f.offsetOf[tp.Partition]
		f.offsetOf[tp.Partition] = at.Offset
	}
	return nil
}

// wake queues a partition unless it is queued already.
func (f *feed) wake(i int) {
	if f.queued[i].CompareAndSwap(false, true) {
		f.ready <- i // never blocks: it has room for every partition
	}
}

func (f *feed) Run(ctx context.Context, in *stream.Intake[kafka.Message]) error {
	f.ready, f.queued = make(chan int, f.partitions), make([]atomic.Bool, f.partitions)
	f.offsetOf = make([]int64, f.partitions)
	as := make([]stream.Assignment, f.partitions)
	for i := range as {
		as[i] = stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "orders", Partition: i}, Committed: -1, Wake: func() { f.wake(i) }}
	}
	ps, err := in.Assign(ctx, as...)
	if err != nil {
		return err
	}
	for i := range ps {
		f.wake(i)
	}
	offsets := make([]int64, len(ps))
	x, now := uint64(88172645463325252), time.Now()
	share := max(1, f.keys.len()/f.partitions) // keys of one partition
	for left := f.n; left > 0; {
		var i int
		select {
		case i = <-f.ready:
		case <-ctx.Done():
			in.Revoke(context.WithoutCancel(ctx), ps...)
			return nil
		}
		f.queued[i].Store(false)
		p := ps[i]
		room, _ := p.Room()
		if room == 0 {
			continue
		}
		n, first := min(room, 256, left), i%f.keys.len()
		if f.rate > 0 {
			n = min(n, f.arrived(f.n-left))
		}
		c := p.Buffer(n)[:n]
		for k := range c {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			key := f.keys.at(first + int(x>>32*uint64(share)>>32)*f.partitions)
			c[k] = kafka.Message{Topic: "orders", Partition: i, Offset: offsets[i] + int64(k), Key: key, Value: f.value, Time: now, Headers: f.headers}
		}
		if f.rate > 0 {
			for k := range c {
				c[k].Time = f.due(f.n - left + k)
			}
		}
		offsets[i] += int64(n)
		left -= n
		p.Feed(c, source.Lineage(c), offsets[i], int64(n*len(f.value)))
		f.wake(i)
	}
	return nil
}

// arrived waits for message i and returns how many have arrived, from that one on.
func (f *feed) arrived(i int) int {
	if i < f.backlog {
		return f.backlog - i
	}
	if i == f.backlog {
		runtime.GC() // the garbage of the backlog is not measured
		f.flows = time.Now()
	}
	time.Sleep(time.Until(f.due(i)))
	return int(time.Since(f.flows).Seconds()*float64(f.rate)) - (i - f.backlog) + 1
}

// due is when message i arrives.
func (f *feed) due(i int) time.Time {
	return f.flows.Add(time.Duration(i-f.backlog) * time.Second / time.Duration(f.rate))
}

// payload holds the value of every message as a prefix.
var payload = make([]byte, 1<<20)

// keyset stores keys contiguously, as a fetched batch does. A table of a million slices would add
// cache misses of its own to the measurement.
type keyset []byte

const keyWidth = len("key-0000000")

var allKeys keyset

// keysOf returns n keys.
func keysOf(n int) keyset {
	for i := allKeys.len(); i < n; i++ {
		allKeys = fmt.Appendf(allKeys, "key-%07d", i)
	}
	return allKeys[:n*keyWidth]
}

func (k keyset) len() int { return len(k) / keyWidth }

func (k keyset) at(i int) []byte { return k[i*keyWidth : (i+1)*keyWidth : (i+1)*keyWidth] }

package bench

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

var finishedAhead = flag.Int("finished-ahead", 10_000_000, "records of BenchmarkGoalKafkaTakeover that have finished above one that has not")

// BenchmarkGoalKafkaTakeover: a worker takes over a partition of which the first record is parked
// and ten million above it have finished. It measures the time from the assignment to the first new
// record, and what is fetched until then.
//
//	go test -run - -bench GoalKafkaTakeover -benchtime 1x -timeout 0 ./bench
func BenchmarkGoalKafkaTakeover(b *testing.B) {
	k := broker(b)
	topic, group := k.Topic(1), kafkatest.Name("bench")
	const atOnce = 100_000
	for n := 0; n < *finishedAhead; n += atOnce {
		rs := make([]*kgo.Record, min(atOnce, *finishedAhead-n))
		for i := range rs {
			rs[i] = &kgo.Record{Value: []byte("a value of 20 bytes.")}
		}
		k.Produce(topic, rs...)
	}
	w := &takeover{wired: &wired{}, until: int64(*finishedAhead) - 1}
	w.run(b, k.Brokers, group, topic)
	var seconds, megabytes []float64
	for range *kafkaRounds {
		k.Produce(topic, &kgo.Record{Value: []byte("new")})
		w = &takeover{wired: &wired{}, until: w.until + 1}
		w.run(b, k.Brokers, group, topic)
		seconds = append(seconds, w.first.Seconds())
		megabytes = append(megabytes, w.fetched/1e6)
	}
	goal(b, "takeover with all but one finished, first new record", median(seconds), 2, "s")
	goal(b, "takeover with all but one finished, fetched", median(megabytes), 5, "MB")
}

// takeover is a worker that ends once it has handled the record at until.
type takeover struct {
	*wired
	until   int64
	first   time.Duration // from the assignment to that record
	fetched float64       // bytes read until then
}

func (w *takeover) run(b *testing.B, brokers []string, group, topic string) {
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var assigned atomic.Pointer[time.Time]
	s := source.Kafka(w.config(brokers, group, topic)).Ungroup().Concurrent(64, func(_ context.Context, m message) error {
		switch m.Offset {
		case 0:
			return errSometimes
		case w.until:
			w.first, w.fetched = time.Since(*assigned.Load()), float64(w.read.Load())
			stop()
		}
		return nil
	})
	watch := stream.Observer{Event: func(e stream.Event) {
		if _, is := e.(stream.Assigned); is {
			now := time.Now()
			assigned.Store(&now)
		}
	}}
	if err := atLeastOnce(s.ParkOnError()).Run(ctx, stream.MaxFinishedAhead(1<<40), stream.BuildID("bench"), stream.Observe(watch)); err != nil {
		b.Error(err)
	}
}

// BenchmarkKafkaCommits: the bytes of OffsetCommit requests, which the coordinator stores, per
// second and per commit. Handlers take up to 2 ms, 64 at a time, by key. It compares commits with a
// resume state to those without, every 50 ms and every second.
//
//	go test -run - -bench KafkaCommits -benchtime 1x -timeout 0 ./bench
func BenchmarkKafkaCommits(b *testing.B) {
	const n = 100_000
	k := broker(b)
	topic := filled(k, n, 200)
	for _, wait := range []time.Duration{50 * time.Millisecond, time.Second} {
		for _, ahead := range []int64{0, 1_000_000} {
			b.Run(fmt.Sprintf("%v/up to %d finished ahead", wait, ahead), func(b *testing.B) {
				w := &wired{}
				ctx, stop := context.WithCancel(b.Context())
				defer stop()
				var left atomic.Int64
				left.Store(n)
				s := keyed(source.Kafka(w.config(k.Brokers, kafkatest.Name("bench"), topic)), 64, func(_ context.Context, m message) error {
					time.Sleep(2 * time.Millisecond * time.Duration(m.Offset*7919%1000) / 1000)
					if left.Add(-1) == 0 {
						stop()
					}
					return nil
				})
				began := time.Now()
				if err := s.CommitEvery(1_000_000, wait).Run(ctx, stream.MaxFinishedAhead(ahead), stream.Observe()); err != nil {
					b.Fatal(err)
				}
				bytes, commits := float64(w.bytes.Load()), float64(w.commits.Load())
				b.ReportMetric(bytes/time.Since(began).Seconds(), "B/s")
				b.ReportMetric(bytes/commits, "B/commit")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// wired counts what a worker's connections carry.
type wired struct {
	read           atomic.Int64
	commits, bytes atomic.Int64 // requests OffsetCommit
}

func (w *wired) config(brokers []string, group, topic string) source.KafkaConfig {
	var d net.Dialer
	return source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}, Transport: &kafka.Transport{
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, addr)
			return &wiredConn{Conn: c, of: w}, err
		},
	}}
}

// wiredConn finds the requests in what is written: a length of four bytes, then the key of the API.
type wiredConn struct {
	net.Conn
	of *wired

	mu   sync.Mutex // guards the fields below
	head []byte     // of the next request
	left int        // of the current one
}

func (c *wiredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.of.read.Add(int64(n))
	return n, err
}

func (c *wiredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := p[:n]; len(p) > 0; {
		if c.left == 0 {
			const length, key, offsetCommit = 4, 2, 8
			take := min(length+key-len(c.head), len(p))
			c.head, p = append(c.head, p[:take]...), p[take:]
			if len(c.head) < length+key {
				break
			}
			size := int(binary.BigEndian.Uint32(c.head))
			if binary.BigEndian.Uint16(c.head[length:]) == offsetCommit {
				c.of.commits.Add(1)
				c.of.bytes.Add(int64(size))
			}
			c.left, c.head = size-key, c.head[:0]
			continue
		}
		take := min(c.left, len(p))
		c.left, p = c.left-take, p[take:]
	}
	return n, err
}

package produce

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/segmentio/kafka-go"
)

func TestBatchFormatRealKafka(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Real(t))
	topic := k.Topic(3)
	writers := 0
	for _, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		p := producer(t, k.Brokers, nil, func(cfg *Config) { cfg.Compression = codec })
		var wg sync.WaitGroup
		for range 3 {
			w := writers
			writers++
			wg.Go(func() {
				for from := 0; from < 500; from += 100 {
					put(t, p, topic, numbered(w, from, 100)...)
				}
			})
		}
		wg.Wait()
	}
	records := k.Records(topic)
	once(t, records, writers, 500)
	codecs := map[uint8]int{}
	for _, r := range records {
		codecs[r.Attrs.CompressionType()]++
		if r.ProducerID < 0 || r.ProducerEpoch != 0 {
			t.Errorf("%s[%d]@%d has producer id %d and epoch %d", topic, r.Partition, r.Offset, r.ProducerID, r.ProducerEpoch)
		}
	}
	if len(codecs) != 5 {
		t.Errorf("records by compression: %v", codecs)
	}
	lines := kafkatest.JavaMember(t, kafkatest.Name("group"), topic, "RangeAssignor").Await(writers * 500)
	if len(lines) != writers*500 {
		t.Errorf("Java read %d of %d records", len(lines), writers*500)
	}
}

func TestFailuresOfALeaderRealKafka(t *testing.T) {
	own := kafkatest.Own(t)
	k := kafkatest.At(t, own.Brokers)
	topic := k.Topic(4)
	p := producer(t, k.Brokers, nil, func(cfg *Config) { cfg.DeliveryTimeout = 2 * time.Minute })
	ctx, stop := context.WithCancel(t.Context())
	counts := make([]int, 4)
	wrote := make(chan int)
	var wg sync.WaitGroup
	for w := range counts {
		wg.Go(func() {
			for ctx.Err() == nil {
				msgs := numbered(w, counts[w], 100)
				failed, err := p.Write(t.Context(), len(msgs), topic, func(i int) *kafka.Message { return &msgs[i] })
				if err != nil || len(failed) > 0 {
					t.Errorf("%v %v", failed, err)
				}
				counts[w] += len(msgs)
				select {
				case wrote <- w:
				case <-ctx.Done():
				}
			}
		})
	}
	proceed := func() { // until each has written again
		for seen := map[int]int{}; len(seen) < len(counts); {
			seen[<-wrote]++
		}
	}
	proceed()
	own.Kill()
	own.Start()
	proceed()
	own.Stop()
	own.Start()
	proceed()
	stop()
	wg.Wait()
	records := k.Records(topic)
	for w, n := range counts {
		if n == 0 {
			t.Errorf("writer %d wrote nothing", w)
		}
		one := records[:0:0]
		for _, r := range records {
			if string(r.Key) == fmt.Sprintf("writer %d", w) {
				r.Key = []byte("writer 0")
				one = append(one, r)
			}
		}
		once(t, one, 1, n)
	}
	t.Log("written by each:", counts)
}

// A batch that was given up may be in the log. The broker must accept the partition's next epoch,
// which the producer chose without the coordinator.
func TestPartitionEpochRealKafka(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Real(t))
	topic := k.Topic(1)
	p := producer(t, k.Brokers, nil, nil)
	for i := range 20 {
		put(t, p, topic, numbered(0, i, 1)...)
		p.mu.Lock()
		p.topics[topic].parts[0].bump()
		p.mu.Unlock()
	}
	records := k.Records(topic)
	once(t, records, 1, 20)
	if e := records[19].ProducerEpoch; e != 19 {
		t.Errorf("the last record has epoch %d", e)
	}
}

// Not on the fake, which wraps one too early.
func TestSequenceWrapRealKafka(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Real(t))
	topic := k.Topic(1)
	p := producer(t, k.Brokers, nil, nil)
	put(t, p, topic, numbered(0, 0, 1)...)
	p.mu.Lock()
	pt := p.topics[topic].parts[0]
	// a broker accepts any first sequence of an unknown producer
	pt.id, pt.seq = identity{pt.id.id + 1000, 0}, maxSequence-10
	p.mu.Unlock()
	for i := range 3 {
		put(t, p, topic, numbered(0, 1+7*i, 7)...)
	}
	once(t, k.Records(topic), 1, 22)
	p.mu.Lock()
	defer p.mu.Unlock()
	if pt.seq != 10 || pt.id.epoch != 0 {
		t.Errorf("sequence %d in epoch %d", pt.seq, pt.id.epoch)
	}
}

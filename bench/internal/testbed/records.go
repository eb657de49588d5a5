package testbed

import (
	"github.com/twmb/franz-go/pkg/kgo"
)

// Partitions is how many every topic has.
const Partitions = 8

// Fill hands n records of size bytes to produce, in the order in which they are to be written, each
// with its key and partition, in pieces that bound the memory of this process.
func Fill(n, size int, keys *Sequence, produce func([]*kgo.Record) error) error {
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(i * 7)
	}
	const atOnce = 20_000
	for from := 0; from < n; from += atOnce {
		rs := make([]*kgo.Record, min(atOnce, n-from))
		for i := range rs {
			rs[i] = keys.Record(from+i, value)
		}
		if err := produce(rs); err != nil {
			return err
		}
	}
	return nil
}

// Record is record i, without its topic.
func (s *Sequence) Record(i int, value []byte) *kgo.Record {
	key := s.At(i)
	return &kgo.Record{Partition: int32(key % Partitions), Key: Keys[key], Value: value}
}

// Uncompressed: what is measured is the worker, not a decompressor.
var Uncompressed = kgo.ProducerBatchCompression(kgo.NoCompression())

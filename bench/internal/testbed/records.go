package testbed

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Partitions is how many every topic has.
const Partitions = 8

// Keys are the thousand keys; each lives in the partition that its number leaves when it is divided by [Partitions].
var Keys = func() (k [1000][]byte) {
	for i := range k {
		k[i] = fmt.Appendf(nil, "key-%04d", i)
	}
	return
}()

// Fill hands n records of size bytes to produce, in the order in which they are to be written, each with its key and partition, in pieces
// that bound the memory of this process.
func Fill(n, size int, produce func([]*kgo.Record) error) error {
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(i * 7)
	}
	const atOnce = 20_000
	for from := 0; from < n; from += atOnce {
		rs := make([]*kgo.Record, min(atOnce, n-from))
		for i := range rs {
			key := (from + i) * 7919 % len(Keys)
			rs[i] = &kgo.Record{Partition: int32(key % Partitions), Key: Keys[key], Value: value}
		}
		if err := produce(rs); err != nil {
			return err
		}
	}
	return nil
}

// Uncompressed: what is measured is the worker, not a decompressor.
var Uncompressed = kgo.ProducerBatchCompression(kgo.NoCompression())

// Package source holds the sources that a chain starts with: Kafka, and values of this process
// (Slice, Chan, Func).
//
//	source.Kafka(source.KafkaConfig{
//		Brokers: []string{"broker-1:9092", "broker-2:9092"},
//		Group:   "billing",
//		Topics:  []string{"orders"},
//	})
//
// Nothing connects before Run. Build reports every fault of a configuration at once.
package source

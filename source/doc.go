// Package source has where a chain begins: Kafka, and values of this process (Slice, Chan, Func).
//
//	source.Kafka(source.KafkaConfig{
//		Brokers: []string{"broker-1:9092", "broker-2:9092"},
//		Group:   "billing",
//		Topics:  []string{"orders"},
//	})
//
// Nothing connects before Run. What is wrong with a configuration is told by Build, all of it.
package source

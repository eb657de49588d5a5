// Package kafkatest gives tests a Kafka to talk to and a look at it from outside.
//
// [Fake] is franz-go's in-process broker: use it for every protocol path and every fault. [Real] is
// the Apache Kafka that KAFKA_BROKERS names, for what a fake cannot prove; `.ci/kafka run 4.3.1 --
// go test -run RealKafka ./...` starts one. [Own] is a real broker of the test's own, to kill and
// start again. [At] looks at any of them: topics, records, committed offsets, members. [JavaMember]
// puts a Java client into a group.
//
// Everything here talks through franz-go, never through this module's own client: a check must not
// share the mistakes of what it checks. Helpers end the test through t.Fatal, so call them from the
// test's own goroutine.
package kafkatest

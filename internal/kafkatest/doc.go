// Package kafkatest gives tests a Kafka cluster, and a view of it through another client.
//
// [Fake] is franz-go's in-process broker: use it for every protocol path and every fault. [Real] is
// the Apache Kafka named by KAFKA_BROKERS, for what a fake cannot prove; `.ci/kafka run 4.3.1 -- go
// test -run RealKafka ./...` starts one. [Own] is a real broker for one test, to kill and restart.
// [At] inspects any of them: topics, records, committed offsets, members. [JavaMember] adds a Java
// client to a group.
//
// The package uses franz-go, never this module's own client, so that a check does not share the
// faults of the code it checks. Helpers fail through t.Fatal, so call them from the test's own
// goroutine.
package kafkatest

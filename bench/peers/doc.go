// Peers measures Laneway beside the other ways to read Kafka, in one run against one broker: a
// kafka.Reader loop, franz-go's fastest loop, a sarama group, watermill-kafka, and Java's
// parallel-consumer. It prints Markdown tables.
//
//	GOTOOLCHAIN=auto go run .                                    # kfake, in a process of its own
//	GOTOOLCHAIN=auto ../../.ci/kafka run 4.3.1 -- go run .       # the broker of KAFKA_BROKERS
//
// Each peer runs in a process of its own, so that processor time and memory are its own. It is
// tuned as its documentation says. Every record is checked: out of order, lost or repeated. Rounds
// are interleaved: every peer has its turn in every round, and ratios compare turns of the same
// round.
//
// A turn is timed from the first handled record to the last committed offset, as another client
// reads it from the broker. A column of its own counts from the start of the process. All peers
// commit every second. A peer that has handled all records is asked to stop, and commits once more.
//
// In the works half and most, records arrive at 50 % and 80 % of the slowest peer's capacity.
// Latency counts from the intended send time of a record, so a peer that falls behind does not slow
// down the sender.
//
// Run it in this directory, where it builds the program of parallel-consumer.
package main

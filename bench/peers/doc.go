// Peers measures Laneway beside the ways in which programs read Kafka today, in one run, against
// one broker: a kafka.Reader loop, franz-go's fastest loop, a sarama group, watermill-kafka, and
// Java's parallel-consumer. It prints Markdown tables.
//
//	GOTOOLCHAIN=auto go run .                                    # kfake, in a process of its own
//	GOTOOLCHAIN=auto ../../.ci/kafka run 4.3.1 -- go run .       # the broker of KAFKA_BROKERS
//
// Each peer works in a process of its own, so that processor time and memory are its own. It is
// tuned as its own documents say, and what it does is judged record by record: out of order, lost,
// repeated. Rounds are interleaved: every peer has its turn in every round, and ratios compare
// turns of the same round.
//
// A turn is timed from the first handled record to the last committed offset, read back from the
// broker by another client; a column of its own counts from the start of the process. All commit
// every second; when a peer has handled all, it is asked to stop, which makes it commit once more.
//
// In the works half and most, records arrive at 50 % and 80 % of the slowest peer's capacity.
// Latency counts from the intended send time of a record, so a peer that falls behind does not slow
// the sender down.
//
// Run it in this directory: it builds the program of parallel-consumer there.
package main

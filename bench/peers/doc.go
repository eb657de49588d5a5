// Peers measures Laneway beside the ways in which Go programs read Kafka today, in one run, against one broker: a kafka.Reader loop, a
// franz-go group, a sarama group, watermill-kafka. It prints Markdown tables.
//
//	GOTOOLCHAIN=auto go run .                                              # kfake, in a process of its own
//	GOTOOLCHAIN=auto ../../.ci/kafka run 4.3.1 -- go run .                 # Apache Kafka: whatever KAFKA_BROKERS names
//
// Each peer works in a process of its own, which this program starts from itself, so that processor time and memory are its own. It is tuned as
// its own documents say, and what it does is judged record by record: out of order, lost, repeated. Rounds are interleaved: every peer has its
// turn in every round, and ratios compare turns of the same round.
//
// A turn is timed from the first handled record to the last committed offset, read back from the broker by another client. What joining the group
// took is told apart. All commit every second; when a peer has handled all, it is asked to stop, which makes it commit once more.
package main

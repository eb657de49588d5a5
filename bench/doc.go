// Package bench measures Laneway. Every benchmark measures what it compares with in the same run and reports the ratio.
//
//   - Goals: each goal for the speed of the language, and of workers on a broker beside the fastest franz-go loop and a tuned
//     kafka.Reader, each in a process of its own.
//   - Growth: what an element costs as partitions, keys, workers, the window, stages, the chain and records grow, for every word.
//   - The rest: what observers, retries and the sink cost.
//
// How to run them:
//
//	go test -run - -bench 'Goal[^K]' -benchtime 1x -timeout 0 ./bench    # in memory
//	go test -run - -bench Growth -benchtime 1x -timeout 0 ./bench
//	go test -run - -bench Kafka -benchtime 1x -timeout 0 ./bench         # on an in-process broker in a process of its own
//
// With KAFKA_BROKERS, those with Kafka in their name run on that broker.
package bench

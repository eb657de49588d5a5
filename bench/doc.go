// Package bench measures Laneway. Every benchmark measures what it compares with in the same run
// and reports the ratio.
//
//   - Goals: each performance goal, in memory and on a broker. On a broker the baselines are the
//     fastest known franz-go loop and a tuned kafka.Reader, each in a process of its own.
//   - Growth: the cost per element as partitions, keys, workers, the window, stages, the chain and
//     the records grow, for every word.
//   - The rest: the cost of observers, retries and the sink.
//
// How to run them:
//
//	go test -run - -bench 'Goal([^K]|Key)' -benchtime 1x -timeout 0 ./bench # in memory
//	go test -run - -bench Growth -benchtime 1x -timeout 0 ./bench
//	go test -run - -bench Kafka -benchtime 1x -timeout 0 ./bench           # on kfake
//
// Benchmarks with Kafka in their name use the broker of KAFKA_BROKERS if it is set.
package bench

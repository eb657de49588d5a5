// Package bench measures Laneway: in memory, the cost of the language itself; on a broker, workers from fetch to committed offsets beside a
// tuned kafka.Reader loop, a franz-go group and the same functions called directly. Every benchmark measures what it compares with in the same
// run and reports the ratio.
//
//	go test -bench . -benchtime 1000000x ./bench           # in memory
//	go test -bench Kafka -benchtime 3x ./bench             # on an in-process broker in a process of its own
package bench

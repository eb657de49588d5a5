// Package crashtest proves with real processes on a real Kafka what a worker's user relies on when
// one of them dies: nothing is lost, the order of a key is kept, and what is done twice stays
// within the bound that the chain's words give.
//
// The test binary starts itself again as the workers. Whatever a worker does, it tells in a line
// written to one pipe that all share, before it goes on: a pipe keeps the lines of all processes in
// one order and survives the writer's kill -9. From these lines alone judge decides. Which worker
// dies when, and which one joins, is drawn from a seed that is printed; LANEWAY_CRASH_SEED replays
// it, as far as processes can be.
package crashtest

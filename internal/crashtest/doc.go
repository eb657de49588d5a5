// Package crashtest tests, with real processes on a real Kafka, what a user relies on when a worker
// dies: no record is lost, each key keeps its order, and duplicates stay within the bound set by
// the chain.
//
// The test binary starts itself again as the workers. A worker writes a line to a pipe shared by
// all before each step it takes. The pipe keeps the lines of all processes in one order, and
// survives the writer's kill -9. judge decides by these lines alone. A seed, which is printed,
// selects which worker dies when and which one joins. LANEWAY_CRASH_SEED repeats it, as far as
// processes allow.
//
// TestMergedClustersRealKafka merges two clusters and also kills the only broker of one. The other
// cluster's partitions must not notice.
//
// TestMixedGroupRealKafka has workers share a group with franz-go's and Java's members, which know
// of no resume state.
//
// TestRepeatsRealKafka counts what is repeated, in a table. LANEWAY_CRASH_ROUNDS has more workers
// end, and the table made of more records. TestParkedKeysRealKafka parks keys under load, and then
// lasts ten minutes.
package crashtest

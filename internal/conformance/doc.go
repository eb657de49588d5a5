// Package conformance is a test suite for every source that commits: order, what is committed and
// when, rebalances, halts, gaps, budgets and drains. A backend opens a log and names its features;
// Run does the rest.
//
//	func TestMyLogConforms(t *testing.T) {
//		conformance.Run(t, conformance.Backend{Open: openMyLog, Gaps: true})
//	}
//
// RunStates is the suite for a source that stores resume states. It inspects assignments, so the
// source's own package runs it.
//
// Each suite runs twice: with the source alone, and with it merged with another. A source must pass
// the same below a Merge.
//
// The suites run against the in-memory log of streamtest, and against source.Kafka on an in-process
// and on a real Kafka.
package conformance

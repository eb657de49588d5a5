// Package conformance is what every source that commits owes a pipeline, as one suite of tests:
// order, what is committed and when, rebalances, halts, gaps, budgets and drains. A backend says
// how to open a log and which features it has; Run does the rest.
//
//	func TestMyLogConforms(t *testing.T) {
//		conformance.Run(t, conformance.Backend{Open: openMyLog, Gaps: true})
//	}
//
// RunStates is the suite of a source that stores resume states. It looks at what is assigned, so
// the source's own package runs it.
//
// The suites run against the in-memory log of streamtest, and source.Kafka on an in-process and on
// a real Kafka.
package conformance

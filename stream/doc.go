// Package stream is the language of Laneway: typed, fluent chains from a source to a commit.
// Order, degree, failure handling and guarantee are one word each.
//
//	err := source.Kafka(cfg).
//		Map(ops.JSON[Order]).                                // kafka.Message → Order
//		GroupByKey().                                        // order: kept per key
//		MapConcurrent(64, charge).                           // degree: 64 at a time
//		RetryOnError(stream.RetryPolicy{}).                  // failure: retry for about a minute, then …
//		HaltOnError().                                       // … halt that partition, the others keep running
//		CommitEvery(1000, time.Second).                      // below the work: at least once
//		Run(ctx)
//
// A Stream is a plan: an immutable value that does nothing until Build checks it and Run runs it.
// Its words answer four questions:
//
//   - order: GroupByPartition, GroupByKey, GroupBy, Ungroup. Ungrouped, Serial keeps the order of
//     each partition and Concurrent keeps none.
//   - degree: Serial, Concurrent and their Map forms. Default: one runner per partition.
//   - failure: RetryOnError, SkipOnError, DeadLetterOnError, HaltOnError, FailOnError, read
//     downward as escalation. Default: the pipeline fails.
//   - guarantee: CommitEach and CommitEvery (at least once), CommitBefore (at most once),
//     CommitWith (exactly once). Default: nothing is committed, which Build refuses for a consumer
//     group.
//
// Sources are in package source, sinks in package sink, and ready-made operators in package ops.
// Package streamtest runs unchanged chains on a log in memory, for tests.
package stream

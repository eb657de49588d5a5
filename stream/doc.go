// Package stream is the language of Laneway: typed, fluent chains from a source to a commit, with
// order, degree, failure and guarantee each chosen by one word.
//
//	err := source.Kafka(cfg).
//		Map(ops.JSON[Order]).                                // kafka.Message → Order
//		GroupByKey().                                        // order: kept per key
//		MapConcurrent(64, charge).                           // degree: 64 at a time
//		RetryOnError(stream.RetryPolicy{}).                  // failure: try again for about a minute, then …
//		HaltOnError().                                       // … freeze that partition, the others go on
//		CommitEvery(1000, time.Second).                      // below the work: at least once
//		Run(ctx)
//
// A Stream is a plan: a value, inert until Build checks it and Run runs it. The files of this
// package fall into three groups:
//
//   - the words: stream.go, value.go, batch.go, group.go, degree.go, policy.go, commit.go,
//     transact.go, to.go, transform.go, and what they speak of (meta.go, failure.go, options.go,
//     observer.go, source.go);
//   - the plan: cut.go cuts a chain into stages, check.go refuses wrong ones, describe.go prints
//     them;
//   - the run: pipeline.go and run.go own everything, part.go one partition, record.go one record,
//     stage.go what works on it, step.go a call of a handler, fail.go what follows its failure,
//     halt.go frozen partitions, commits.go what becomes of what is finished.
package stream

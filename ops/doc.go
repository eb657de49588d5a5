// Package ops provides operators, codecs and middleware for chains. They use only stream's public
// API, so you could have written each of them.
//
//	source.Kafka(cfg).
//		Map(ops.JSON[Order]).                                            // a record's value as JSON
//		Map(ops.Pure(Order.InEuros)).                                    // a function that needs no context and cannot fail
//		Via(ops.Dedup(func(o Order) string { return o.ID }, 10_000)).    // each order once
//		MapConcurrent(64, charge, stream.Use(ops.Limit(10))).            // 10 at a time over all steps with this Limit
//		MapConcurrent(64, book, stream.Use(database)).                   // database := ops.Breaker("database", ops.Unavailable)
//		Batch(100, time.Second).
//		Concurrent(8, ops.OneByOne(send)).                               // if a batch fails: its elements one by one
//		RetryOnError(stream.RetryPolicy{FirstWait: time.Second, MaxWait: time.Minute}).
//		…
//
// Log is an observer. Observers that need a library are packages of their own: zaplog, oteltrace,
// prommetrics.
//
//	Run(ctx, stream.Observe(ops.Log(logger), oteltrace.To(tracerProvider), prommetrics.To(registry)))
package ops

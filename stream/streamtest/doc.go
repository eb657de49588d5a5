// Package streamtest tests chains without a broker. An in-memory partitioned log feeds the
// unchanged chain. The test decides what is assigned, revoked, lost or crashed, and sees what was
// committed. All of it works in a testing/synctest bubble, where time is virtual.
//
//	log := streamtest.Kafka("orders", 2)
//	log.Append(0, "alice", order)
//	log.Finish()                                  // nothing more is appended: Run returns once all is finished and committed
//	err := worker(cfg).Run(ctx, log.Source())     // worker is the chain under test, with its Kafka source replaced
//	log.Committed(0)                              // → 1
//
// A Member stands for one process of a group that shares the log. Assign, Revoke, Lose and Crash
// it, then start another one from the committed offsets; CrashAt crashes it at a call of a step. A
// Transactor stands for the database of CommitWith. WithMeta returns a context for testing a single
// handler.
package streamtest

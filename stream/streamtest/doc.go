// Package streamtest tests chains without a broker: an in-memory partitioned log feeds the
// unchanged chain, and the test decides what is assigned, revoked, lost or crashed, and sees what
// was committed. Everything in it works in a testing/synctest bubble, where time is virtual.
//
//	log := streamtest.Kafka("orders", 2)
//	log.Append(0, "alice", order)
//	log.Finish()                                  // that was all: Run returns when everything is finished and committed
//	err := worker(cfg).Run(ctx, log.Source())     // worker is the chain under test, its Kafka source replaced
//	log.Committed(0)                              // → 1
//
// A Member stands for one process of a group that shares the log: Assign, Revoke, Lose and Crash
// it, then start another from what was committed. WithMeta makes a context for testing one handler
// alone.
package streamtest

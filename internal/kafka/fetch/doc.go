// Package fetch reads partitions from the brokers that lead them.
//
// A Fetcher asks each broker, in one request, for all of its partitions that have room. It decodes
// the response and feeds it in chunks of at most 256 records. Records without room yet are kept
// undecoded until there is room. The Fetcher waits for moving leaders, restarting brokers and
// throttling to end. A batch that cannot be read halts its partition alone. An offset that is no
// longer in the log is moved by the Reset policy and reported. The end of a log that is not
// fetched, for lack of room, is looked up every 10 seconds.
//
// Each broker has three pollers, each with one request at a time, and so one connection. Two share
// the partitions that keep bringing records: one decodes while the broker answers the other. A
// broker holds a fetch for partitions without records for MaxWait; the third poller serves a
// partition that gets room during that time.
package fetch

// Package fetch reads partitions from the brokers that lead them.
//
// A Fetcher asks each broker, in one request, for all of its partitions that have room, decodes
// what comes and feeds it in chunks of at most 256 records. What has no room yet is kept,
// undecoded, until there is. Leaders that move, brokers that restart and answers that are throttled
// are waited out; a batch that cannot be read halts its partition and no other; an offset that the
// log no longer has is dealt with by the Reset policy and told.
//
// Each broker has three pollers, each with one request at a time, and so one connection. Partitions
// that keep bringing records are shared by two: one decodes while the broker answers the other. A
// fetch for partitions without news is held by the broker for MaxWait; the third poller is there so
// that a partition that gets room again meanwhile does not wait for that.
package fetch

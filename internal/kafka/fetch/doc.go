// Package fetch reads partitions from the brokers that lead them.
//
// A Fetcher asks each broker, in one request, for all of its partitions that have room, decodes what comes and feeds it in chunks of at most
// 256 records. What has no room yet is kept, undecoded, until there is. Leaders that move, brokers that restart and answers that are
// throttled are waited out; a batch that cannot be read halts its partition and no other; an offset that the log no longer has is dealt with
// by the Reset policy and told.
//
// Each broker has two pollers. A fetch for partitions without news is held by the broker for MaxWait, and with one poller a partition that has
// just got room again would wait for it. A connection carries one request at a time, so the second fetch is a second connection.
package fetch

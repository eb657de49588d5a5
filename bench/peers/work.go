package main

import (
	"slices"
	"time"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

// work is what every peer has to do with one topic.
type work struct {
	name, title   string
	records, size int
	keyed         bool          // order is kept by key, not by partition
	keys          string        // frequency of keys: "even" or "zipf"
	takes         time.Duration // duration of a handler
	poison        bool          // one record always fails
	load          float64       // arrival rate as part of the slowest peer's capacity; 0: stored
}

// works returns all works, the large ones with n records.
func works(n int) []work {
	return []work{
		{name: "W1", title: "nothing done, in the order of each partition", records: n, size: 200, keys: "even"},
		{name: "keyed", title: "nothing done, in the order of each key, 64 at a time", records: n, size: 200, keyed: true, keys: "even"},
		{name: "zipf", title: "nothing done, in the order of each key, 64 at a time, keys drawn by Zipf's law", records: n, size: 200, keyed: true, keys: "zipf"},
		waiting(n / 100),
		{name: "W2zipf", title: "1 ms each, in the order of each of 1,000 keys, 64 at a time, keys drawn by Zipf's law", records: n / 200, size: 200, keyed: true, keys: "zipf", takes: time.Millisecond},
		{name: "W3", title: "one record fails, always", records: n / 5, size: 200, keyed: true, keys: "even", poison: true},
		arriving("half", 0.5),
		arriving("most", 0.8),
	}
}

func waiting(n int) work {
	return work{name: "W2", title: "1 ms each, in the order of each of 1,000 keys, 64 at a time", records: n, size: 200, keyed: true, keys: "even", takes: time.Millisecond}
}

func arriving(name string, load float64) work {
	return work{name: name, title: "1 ms each, in the order of each of 1,000 keys, 64 at a time", size: 200, keyed: true, keys: "even", takes: time.Millisecond, load: load}
}

// peers returns the peers that take part in the work.
func (w work) peers() []peer {
	return slices.DeleteFunc(slices.Clone(peers), func(p peer) bool { return p.byKey && !w.keyed })
}

// atOnce is how many keys a peer runs side by side, if it can.
const atOnce = 64

// place is the position of a record.
type place struct {
	Partition int32
	Offset    int64
}

// job is one turn of one peer. Its process gets it as JSON.
type job struct {
	Peer         string
	Brokers      []string
	Topic, Group string
	Keyed        bool
	Keys         string
	Takes        time.Duration
	From, To     []int64 // by partition: the records to handle
	Lanes        []int64 // the number of records of each partition, or key
	Poison       *place  // always fails
	Audit        bool    // report which records were handled; slower
	Paced        bool    // report the latency of each record
}

// task returns the job of a peer: the records of each partition between two offsets.
func (w work) task(c *cluster, p peer, topic string, from, to []int64) job {
	j := job{Peer: p.name, Brokers: c.brokers, Topic: topic, Group: fresh("peers"), Keyed: w.keyed, Keys: w.keys, Takes: w.takes,
		Audit: w.poison, Paced: w.load > 0}
	j.give(from, to)
	return j
}

// give sets the records of the job.
func (j *job) give(from, to []int64) {
	j.From, j.To, j.Lanes = from, to, testbed.Lanes(j.sequence(), from, to)
}

// sequence returns the sequence of keys if order is kept by key, nil if it is kept by partition.
func (j *job) sequence() *testbed.Sequence {
	if !j.Keyed {
		return nil
	}
	return testbed.Named(j.Keys)
}

// handler handles one record. An error means that the record failed, and must be neither lost nor
// committed.
type handler func(partition int32, offset int64, value []byte) error

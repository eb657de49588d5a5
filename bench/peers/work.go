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
	keyed         bool          // by key, side by side
	keys          string        // how often each is there: "even", "zipf"
	takes         time.Duration // what a handler waits
	poison        bool          // one record fails, always
	load          float64       // records come at this part of the slowest peer's capacity; 0: all are there
}

// works are all of them, with n records in the large ones.
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

// peers are those that do the work.
func (w work) peers() []peer {
	return slices.DeleteFunc(slices.Clone(peers), func(p peer) bool { return p.byKey && !w.keyed })
}

// atOnce is how many keys are worked on side by side, by who can.
const atOnce = 64

// place is where a record lies.
type place struct {
	Partition int32
	Offset    int64
}

// job is one turn of one peer: its process gets it as JSON.
type job struct {
	Peer         string
	Brokers      []string
	Topic, Group string
	Keyed        bool
	Keys         string
	Takes        time.Duration
	From, To     []int64 // by partition: what there is to do
	Lanes        []int64 // how much of it is of each partition, or key
	Poison       *place  // fails, always
	Audit        bool    // which records were handled is asked, rather than how fast
	Paced        bool    // … how late
}

// task is a job of a work: the records from some offsets of each partition up to others.
func (w work) task(c *cluster, p peer, topic string, from, to []int64) job {
	j := job{Peer: p.name, Brokers: c.brokers, Topic: topic, Group: fresh("peers"), Keyed: w.keyed, Keys: w.keys, Takes: w.takes,
		Audit: w.poison, Paced: w.load > 0}
	j.give(from, to)
	return j
}

// give sets what there is to do.
func (j *job) give(from, to []int64) {
	j.From, j.To, j.Lanes = from, to, testbed.Lanes(j.sequence(), from, to)
}

// sequence is that of the keys that order is kept by; nil: it is kept by partition.
func (j *job) sequence() *testbed.Sequence {
	if !j.Keyed {
		return nil
	}
	return testbed.Named(j.Keys)
}

// handler is told where a record lies, and its value. An error means that the record has failed and must be neither lost nor passed over.
type handler func(partition int32, offset int64, value []byte) error

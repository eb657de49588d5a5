package main

import "time"

// work is what every peer has to do with one topic.
type work struct {
	name, title   string
	records, size int
	keyed         bool          // by key, side by side
	takes         time.Duration // what a handler waits
	poison        bool          // one record fails, always
}

// works are all of them, with n records in the large ones.
func works(n int) []work {
	return []work{
		{name: "W1", title: "nothing done, in the order of each partition", records: n, size: 200},
		{name: "keyed", title: "nothing done, in the order of each key, 64 at a time", records: n, size: 200, keyed: true},
		{name: "W2", title: "1 ms each, in the order of each of 1,000 keys, 64 at a time", records: n / 20, size: 200, keyed: true, takes: time.Millisecond},
		{name: "W3", title: "one record fails, always", records: n, size: 200, keyed: true, poison: true},
	}
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
	Takes        time.Duration
	From, To     []int64 // by partition: what there is to do
	Poison       *place  // fails, always
}

// handler is told where a record lies, and its key. An error means that the record has failed and must be neither lost nor passed over.
type handler func(partition int32, offset int64, key []byte) error

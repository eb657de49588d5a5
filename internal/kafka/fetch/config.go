package fetch

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TP names a partition.
type TP struct {
	Topic     string
	Partition int
}

// Partition takes the records of one partition. stream.Partition[kafka.Message] is one.
type Partition interface {
	TopicID() [16]byte // that it is to be read under; zero: whichever the topic has
	Room() (records int, bytes int64)
	// where to read on; it may jump ahead of what was fed, up to the end of the log
	Next() int64
	// epoch is that of the leader that took the newest of msgs
	Feed(msgs []kafka.Message, next, bytes int64, epoch int32)
	Advance(next, end int64)
	Halt(offset, next int64, err error)
}

// Client is what is needed of wire.Client.
type Client interface {
	Fetch(ctx context.Context, broker int32, req *kmsg.FetchRequest) (resp *kmsg.FetchResponse, release func(), err error)
	Broker(ctx context.Context, id int32, req kmsg.Request) (kmsg.Response, error)
	Metadata(ctx context.Context, topics ...string) ([]wire.Topic, error)
	Topic(name string) (wire.Topic, bool)
}

// Reset says where to go on when the log does not have the offset that is wanted.
type Reset int

const (
	Earliest Reset = iota // the first record that is left
	Latest                // the next one to be written
	Fail                  // end Run with an *kafkaerr.OutOfRangeError
)

func (r Reset) String() string { return [...]string{"earliest", "latest", "fail"}[r] }

// Config says how to read.
type Config struct {
	Client  Client
	Decoder *batch.Decoder
	// read_uncommitted: records of open and aborted transactions too
	Uncommitted bool
	MaxWait     time.Duration // how long a broker may hold a fetch without news; 0: 500 ms
	// a broker may answer that a replica in that rack is to be read instead
	Rack                string
	Reset               Reset
	UnknownTopicTimeout time.Duration // how long a topic may be unknown before Run ends; 0: 1 min

	// OnReset tells that the position moves from one offset to another by the Reset policy. A move
	// back needs a new assignment, for what was finished counts for nothing then: the Fetcher stops
	// reading the partition, and the owner Removes it and Adds it anew at to. May be nil only where
	// Reset is Fail. It may do so itself.
	OnReset func(tp TP, from, to int64, back bool)
	// OnRecreated tells that a partition's topic was deleted and made again, under another id.
	// Nothing more of it is read; the owner Removes it and Adds it anew, to be read under that id,
	// or returns why it cannot: then it is told again. May be nil only where there are no ids.
	OnRecreated func(ctx context.Context, tp TP, id [16]byte) error
	// OnTrouble tells that a partition cannot be read for some seconds, or may not be, and waits by
	// itself; nil: it is read again. May be nil; must not block.
	OnTrouble func(tp TP, err error)
	OnEvent   func(Event) // may be nil; must not block
}

// Event is something worth a line in a log.
type Event struct {
	Name string // "fetch failed", "metadata failed", "recovered", "reset failed", "throttled"
	TP   TP     // zero where it concerns a whole broker
	Err  error
	Text string
}

const (
	chunk      = 256     // records a Feed
	perPart    = 1 << 20 // bytes of one partition a fetch, where a batch is not larger
	perFetch   = 4 << 20
	least      = 4 << 10
	metaMaxAge = 5 * time.Minute

	// TroubleAfter is how long a partition may be out of reach before anybody is told: leaders move
	// in less.
	TroubleAfter = 2 * time.Second
	deniedPause  = 5 * time.Second // between two tries to read what may not be read
)

func (c Config) withDefaults() Config {
	if c.MaxWait <= 0 {
		c.MaxWait = 500 * time.Millisecond
	}
	if c.UnknownTopicTimeout <= 0 {
		c.UnknownTopicTimeout = time.Minute
	}
	if c.OnTrouble == nil {
		c.OnTrouble = func(TP, error) {}
	}
	if c.OnEvent == nil {
		c.OnEvent = func(Event) {}
	}
	return c
}

// isolation is the level as the protocol spells it.
func isolation(uncommitted bool) int8 {
	if uncommitted {
		return 0
	}
	return 1
}

package fetch

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Partition receives the records of one partition. stream.Partition[kafka.Message] implements it.
type Partition interface {
	TopicID() [16]byte // id to read the topic by; zero: the topic's current id
	Room() (records int, bytes int64)
	// offset to read next; it may skip records that were not fed, up to the end of the log
	Next() int64
	// epoch is the leader epoch of the newest of msgs
	Feed(msgs []kafka.Message, next, bytes int64, epoch int32)
	Advance(next, end int64)
	Halt(offset, next int64, err error)
}

// Client is the part of wire.Client that a Fetcher uses.
type Client interface {
	Fetch(ctx context.Context, broker int32, req *kmsg.FetchRequest) (resp *kmsg.FetchResponse, release func(), err error)
	Broker(ctx context.Context, id int32, req kmsg.Request) (kmsg.Response, error)
	Metadata(ctx context.Context, topics ...string) ([]wire.Topic, error)
	Topic(name string) (wire.Topic, bool)
}

// Reset is where to continue if the wanted offset is not in the log.
type Reset int

const (
	Earliest Reset = iota // the first record in the log
	Latest                // the next record written
	Fail                  // end Run with an *kafkaerr.OutOfRangeError
)

func (r Reset) String() string { return [...]string{"earliest", "latest", "fail"}[r] }

// Config configures a Fetcher.
type Config struct {
	Client  Client
	Decoder *batch.Decoder
	// read_uncommitted: also read records of open and aborted transactions
	Uncommitted bool
	MaxWait     time.Duration // how long a broker may hold a fetch while there are no records; 0: 500 ms
	// a broker may refer reads to a replica in that rack
	Rack                string
	Reset               Reset
	UnknownTopicTimeout time.Duration // how long a topic may be unknown before Run ends; 0: 1 min

	// OnReset reports that the position moves by the Reset policy. A move back needs a new assignment,
	// since it redelivers finished records: the Fetcher stops reading the partition, and the owner must
	// Remove it and Add it again at to. The callback itself may do that. May be nil only if Reset is
	// Fail.
	OnReset func(tp wire.TopicPartition, from, to int64, back bool)
	// OnRecreated reports that a partition's topic was recreated, with another id. The Fetcher stops
	// reading it. The owner must Remove the partition and Add it again, to be read by that id; or it
	// returns an error, and OnRecreated is called again. May be nil only without ids.
	OnRecreated func(ctx context.Context, tp wire.TopicPartition, id [16]byte) error
	// OnTrouble reports that a partition could not be read for some seconds, or may not be read, and
	// waits; nil: it is read again. May be nil; must not block.
	OnTrouble func(tp wire.TopicPartition, err error)
	OnEvent   func(Event) // may be nil; must not block
}

// Event is an event worth a log line.
type Event struct {
	Name           string              // "fetch failed", "metadata failed", "recovered", "reset failed", "throttled"
	TopicPartition wire.TopicPartition // zero for a whole broker
	Err            error
	Text           string
}

const (
	chunk      = 256     // records per Feed
	perPart    = 1 << 20 // bytes of one partition per fetch, unless a batch is larger
	perFetch   = 4 << 20
	least      = 4 << 10
	metaMaxAge = 5 * time.Minute

	// TroubleAfter is how long a partition may be unreadable before that is reported; moving leaders
	// take less.
	TroubleAfter = 2 * time.Second
	deniedPause  = 5 * time.Second // between attempts without permission
)

var retries = backoff.Policy{First: 50 * time.Millisecond, Most: 2 * time.Second}

func (c Config) withDefaults() Config {
	if c.MaxWait <= 0 {
		c.MaxWait = 500 * time.Millisecond
	}
	if c.UnknownTopicTimeout <= 0 {
		c.UnknownTopicTimeout = time.Minute
	}
	if c.OnTrouble == nil {
		c.OnTrouble = func(wire.TopicPartition, error) {}
	}
	if c.OnEvent == nil {
		c.OnEvent = func(Event) {}
	}
	return c
}

// isolation encodes the isolation level.
func isolation(uncommitted bool) int8 {
	if uncommitted {
		return 0
	}
	return 1
}

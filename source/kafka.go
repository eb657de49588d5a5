package source

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
)

// Kafka reads topics as a member of a consumer group, or named partitions without a group. Elements
// are kafka-go's messages, so handlers written for its Reader need no change. The handler may keep
// their bytes.
//
// A partition without room (MaxInFlight), or a halted one, is left out of fetches; the others are
// still read. A batch that cannot be read halts its partition at its offset: its checksum is wrong,
// its format is older than Kafka 0.11, or it exceeds MaxDecompressed. In a rebalance, a partition
// that moves is drained and committed before it is released. A lost partition is cancelled and
// never committed.
//
// Package kafkaerr holds the errors of Run, halts and events.
//
// It needs brokers of version 3.6 or newer. It runs three goroutines per broker, and a handful for
// the group.
//
// With a group, each commit stores which records above the committed offset have finished. They go
// into the offset's metadata, up to the brokers' limit (offset.metadata.max.bytes, 4,096 by
// default) and 64 KiB. If the user has DESCRIBE_CONFIGS on the cluster, the source reads the limit
// at the start. Otherwise it learns the limit when a broker refuses a state.
func Kafka(c KafkaConfig) stream.Stream[kafka.Message] {
	return stream.From(func() stream.Source[kafka.Message] { return newKafkaSource(c) })
}

// kafkaSource is one run of a KafkaConfig.
type kafkaSource struct {
	cfg     KafkaConfig
	in      intake
	client  *wire.Client
	fetcher *fetch.Fetcher
	// nil without a group; set before the first Assign, and so before the first Commit
	member group.Membership
	// for partitions read without a group; set before the first Assign
	end *countdown
	// the largest resume state to store with an offset; shrinks when brokers refuse one
	stateBytes atomic.Int64

	health      health
	finding     context.Context         // for finders
	finders     conc.WaitGroup          // look up where partitions start
	stopReading context.CancelCauseFunc // ends Run with an error; set before the first Assign

	// guards the fields below and makes a change of assignment one step; not held while a partition
	// drains
	mu       sync.Mutex
	live     map[wire.TopicPartition]*stream.Partition[kafka.Message] // fed
	draining map[wire.TopicPartition]*stream.Partition[kafka.Message] // being revoked
	epochs   map[wire.TopicPartition]*leaderEpoch                     // of both
	wanted   map[wire.TopicPartition]*wanted                          // the start offset is still being looked up
	// end offsets of the partitions read without a group
	limits map[wire.TopicPartition]int64
}

// intake is the part of stream.Intake that the source uses.
type intake interface {
	Assign(ctx context.Context, parts ...stream.Assignment) ([]*stream.Partition[kafka.Message], error)
	Revoke(ctx context.Context, parts ...*stream.Partition[kafka.Message])
	Lose(err error, parts ...*stream.Partition[kafka.Message])
	Emit(e stream.Event)
	SetHealth(err error)
	Trouble(tp stream.TopicPartition, err error)
}

func newKafkaSource(c KafkaConfig) *kafkaSource {
	s := &kafkaSource{cfg: c.withDefaults()}
	if c.Group != "" {
		s.stateBytes.Store(int64(wire.StateBytes))
	}
	return s
}

func (s *kafkaSource) Info() stream.SourceInfo {
	info := stream.SourceInfo{Name: s.cfg.name(), ID: s.cfg.Group, Claims: s.cfg.claims(), Groups: s.cfg.groups(), MustCommit: s.cfg.Group != "", Topics: slices.Sorted(maps.Keys(s.cfg.topics())), Faults: s.cfg.faults(),
		StateBytes: int(s.stateBytes.Load())}
	// otherwise another fault is reported
	if s.cfg.Group == "" && len(s.cfg.Topics) == 0 && len(s.cfg.Partitions) > 0 {
		info.NoCommit = "it reads without a group, and offsets are stored for a group"
	}
	return info
}

func (s *kafkaSource) Run(ctx context.Context, in *stream.Intake[kafka.Message]) error {
	return s.run(ctx, in)
}

func (s *kafkaSource) run(ctx context.Context, in intake) error {
	s.in = in
	s.live, s.draining = map[wire.TopicPartition]*stream.Partition[kafka.Message]{}, map[wire.TopicPartition]*stream.Partition[kafka.Message]{}
	s.epochs = map[wire.TopicPartition]*leaderEpoch{}
	s.wanted, s.limits = map[wire.TopicPartition]*wanted{}, map[wire.TopicPartition]int64{}
	s.health.init(in.SetHealth, s.joining())
	s.client = wire.New(wire.Config{Brokers: s.cfg.Brokers, Transport: s.cfg.Transport, ClientID: s.cfg.ClientID,
		OnThrottled: func(text string) { s.in.Emit(stream.SourceEvent{Name: "throttled", Text: text}) }})
	defer s.client.Close()
	lacking, err := s.connect(ctx)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	s.fetcher = fetch.New(fetch.Config{
		Client: s.client, Decoder: batch.NewDecoder(s.cfg.MaxDecompressed), Uncommitted: s.cfg.ReadUncommitted, MaxWait: s.cfg.MaxWait,
		Rack: s.cfg.Rack, Reset: s.cfg.Reset.reset(), UnknownTopicTimeout: s.cfg.UnknownTopicTimeout, OnReset: s.reset, OnRecreated: s.recreated, OnTrouble: s.trouble,
		OnEvent: s.fetchEvent,
	})
	read := s.readPartitions
	if s.cfg.Group != "" {
		read = s.readAsMember
	}
	// Fetching outlives ctx: partitions revoked at the end remove themselves from it. If fetching
	// fails, reading ends with its error.
	fetching, stopFetching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFetching()
	reading, stopReading := context.WithCancelCause(ctx)
	defer stopReading(nil)
	s.stopReading, s.finding = stopReading, fetching
	s.lack(lacking...)
	s.finders.Go(func() { s.seek(fetching) })
	var fetcher conc.WaitGroup
	var fetchErr error // written before fetcher.Wait returns
	fetcher.Go(func() {
		defer stopReading(nil)
		fetchErr = s.fetcher.Run(fetching)
	})
	err = read(reading)
	if cause := context.Cause(reading); ctx.Err() == nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	stopFetching()
	fetcher.Wait()
	s.finders.Wait()
	return unlessStopped(ctx, errors.Join(fetchErr, err))
}

// unlessStopped drops errors that only report the end of ctx.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && !wire.Fatal(err) {
		return nil
	}
	return err
}

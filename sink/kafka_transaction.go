package sink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/transact"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// KafkaTransaction writes messages and their group's offsets in Kafka transactions. That is exactly
// once from Kafka to Kafka, for readers with isolation.level=read_committed. CommitWith says how
// much goes into one transaction. Topics and all other settings come from KafkaConfig.
//
// Transactional ids start with prefix and a dash. So the user needs WRITE and DESCRIBE on that
// prefixed TransactionalId, besides READ on the source's group. If KafkaConfig.InstanceID is set,
// the id ends with it, and a restarted worker at once ends the transaction that it left open.
// Without it the id is random. Then a transaction left open by a crash ends after
// TransactionTimeout; until then it blocks readers of those topics and the next owner of the
// partitions.
//
// A transaction is open only while it is written, never while handlers run. A worker that has lost
// its partitions cannot commit, whatever its id, because the offsets carry the group's generation
// (KIP-447). An aborted transaction is retried a few times, then the policies below CommitWith
// decide. A partition whose offset the brokers refuse, such as one of a topic that the user may not
// read anymore, waits alone: the transaction is aborted, and made again without it. Records that
// cannot be written fail alone, with the same errors as in Kafka. A
// *kafkaerr.FencedError is permanent: another worker has the same InstanceID.
//
// The source must be Kafka, in the same cluster and with a Group. Below a Merge all sources must be
// of that cluster and group, and have brokers in common; give each an InstanceID of its own, since
// each is a member. One transaction then holds the offsets of all. Brokers must be of version 3.6
// or newer; both transaction protocols are supported (transaction.version, KIP-890).
func KafkaTransaction(c KafkaConfig, prefix string) stream.Transactor[kafka.Message] {
	return &kafkaTransaction{cfg: c, prefix: prefix}
}

type kafkaTransaction struct {
	cfg    KafkaConfig
	prefix string

	client *wire.Client
	tx     *transact.Transactor

	mu     sync.Mutex        // guards the fields below
	groups map[string]string // by source, since its first Commit
	taken  bool              // by a running chain
}

func (s *kafkaTransaction) String() string     { return s.cfg.name("kafka transaction " + s.prefix) }
func (s *kafkaTransaction) CommitsGroup() bool { return true }

// StateBytes is what the brokers' default offset.metadata.max.bytes allows, until they refuse it.
func (s *kafkaTransaction) StateBytes() int {
	if s.tx != nil && s.tx.Stateless() {
		return 0
	}
	return wire.StateBytes
}

func (s *kafkaTransaction) Check() error {
	const step = "sink.KafkaTransaction"
	c := s.cfg.inTransaction()
	faults := c.faults(step)
	if s.prefix == "" {
		faults = append(faults, &stream.BuildError{Code: "LW143", Step: step, What: "the prefix of its transactional ids is empty", Fix: "give each group of workers one of its own"})
	}
	if c.TransactionTimeout <= c.DeliveryTimeout {
		faults = append(faults, &stream.BuildError{Code: "LW143", Step: step, Fix: "let the transaction outlast the delivery of its records",
			What: fmt.Sprintf("TransactionTimeout is %v, DeliveryTimeout is %v", c.TransactionTimeout, c.DeliveryTimeout)})
	}
	if c.TransactionTimeout > wireMost {
		faults = append(faults, &stream.BuildError{Code: "LW143", Step: step, Fix: "make it at most the brokers' transaction.max.timeout.ms, 15 min by default",
			What: fmt.Sprintf("TransactionTimeout is %v: Kafka counts it in milliseconds, up to %v", c.TransactionTimeout, wireMost)})
	}
	return errors.Join(faults...)
}

// wireMost is the longest time that a request can name.
const wireMost = math.MaxInt32 * time.Millisecond

// inTransaction returns the configuration with the defaults of a transaction.
func (c KafkaConfig) inTransaction() KafkaConfig {
	c.DeliveryTimeout = or(c.DeliveryTimeout, 20*time.Second)
	c.TransactionTimeout = or(c.TransactionTimeout, 30*time.Second)
	return c
}

var errTaken = errors.New("sink.KafkaTransaction is already open in another chain, " +
	"and each would end the other's transactions: " +
	"make one per chain, with its own InstanceID or prefix [LW421]")

// take reserves the transactor for one chain.
func (s *kafkaTransaction) take() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		return errTaken
	}
	s.taken = true
	return nil
}

func (s *kafkaTransaction) leave() {
	s.mu.Lock()
	s.taken = false
	s.mu.Unlock()
}

func (s *kafkaTransaction) Open(ctx context.Context) error {
	if err := s.take(); err != nil {
		return err
	}
	c := s.cfg.inTransaction()
	id, unique := s.prefix+"-"+c.InstanceID, false
	if c.InstanceID == "" {
		id, unique = s.prefix+"-"+strings.ToLower(rand.Text()), true
	}
	s.client = c.client(ctx)
	s.tx = transact.New(transact.Config{Client: s.client, ID: id, Unique: unique, Timeout: c.TransactionTimeout, Produce: c.producing(ctx, s.client)})
	err := s.tx.Open(ctx)
	if err == nil && c.Topic != "" {
		if err = s.tx.Find(ctx, c.Topic); err != nil {
			s.tx.Close()
		}
	}
	if err != nil {
		s.client.Close()
		s.leave()
	}
	return err
}

func (s *kafkaTransaction) Close(context.Context) error {
	s.tx.Close()
	s.client.Close()
	s.leave()
	return nil
}

// Restore leaves the positions to the group's offsets, unless the end of a transaction is in doubt:
// the offsets that the source has read may then be older than that end.
func (s *kafkaTransaction) Restore(ctx context.Context, parts map[stream.TopicPartition]stream.TopicID) (map[stream.TopicPartition]stream.Position, error) {
	at, sources := map[stream.TopicPartition]stream.Position{}, map[string][]wire.TopicPartition{}
	for tp := range parts {
		sources[tp.Source] = append(sources[tp.Source], wire.TopicPartition{Topic: tp.Topic, Partition: tp.Partition})
	}
	for source, tps := range sources {
		s.mu.Lock()
		group := s.groups[source]
		s.mu.Unlock()
		if group == "" {
			continue
		}
		stored, err := s.tx.Offsets(ctx, group, tps)
		if err != nil {
			return nil, asTransactor(err, []string{source})
		}
		for tp, p := range stored {
			if p.Offset >= 0 {
				at[ofSource(source, tp)] = stream.Position{Offset: p.Offset, TopicID: p.TopicID, State: p.State}
			}
		}
	}
	return at, nil
}

var errNoGroup = errors.New("sink.KafkaTransaction stores offsets in the source's consumer group, " +
	"and the source has none: set its Group, or write with To(sink.Kafka) [LW422]")

func (s *kafkaTransaction) Commit(ctx context.Context, txn stream.Txn[kafka.Message]) error {
	offsets := map[string]map[wire.TopicPartition]transact.Position{}
	for tp, r := range txn.Offsets {
		group := txn.Groups[tp.Source]
		if group.Group == "" {
			return stream.Permanent(errNoGroup)
		}
		epoch, known := group.LeaderEpochs[stream.TopicPartition{Topic: tp.Topic, Partition: tp.Partition}]
		if !known {
			epoch = -1
		}
		if offsets[tp.Source] == nil {
			offsets[tp.Source] = map[wire.TopicPartition]transact.Position{}
		}
		offsets[tp.Source][wire.TopicPartition{Topic: tp.Topic, Partition: tp.Partition}] = transact.Position{Offset: r.Next, TopicID: r.TopicID, State: r.State, LeaderEpoch: epoch}
	}
	sources := slices.Sorted(maps.Keys(offsets))
	tx := transact.Txn{N: len(txn.Elems), At: func(i int) *kafka.Message { return &txn.Elems[i].Value }, Topic: s.cfg.Topic}
	for _, source := range sources {
		g := txn.Groups[source]
		s.note(source, g.Group)
		tx.Shares = append(tx.Shares, transact.Share{Offsets: offsets[source],
			Group: transact.Group{Name: g.Group, Member: g.Member, Instance: g.Instance, Generation: g.Generation}})
	}
	return asTransactor(s.tx.Commit(ctx, tx), sources)
}

// note notes the group of a source.
func (s *kafkaTransaction) note(source, group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups = map[string]string{}
	}
	s.groups[source] = group
}

// ofSource names a partition of a source.
func ofSource(source string, tp wire.TopicPartition) stream.TopicPartition {
	return stream.TopicPartition{Topic: tp.Topic, Partition: tp.Partition, Source: source}
}

// ofSources names partitions that are each of one of the sources.
func ofSources(sources []string, tps []wire.TopicPartition) (all []stream.TopicPartition) {
	for _, source := range sources {
		for _, tp := range tps {
			all = append(all, ofSource(source, tp))
		}
	}
	return all
}

// asTransactor translates an error into those of stream.Transactor.
func asTransactor(err error, sources []string) error {
	var records *transact.RecordsError
	var fenced *kafkaerr.FencedError
	var refused *transact.RefusedError
	var gone *transact.GoneError
	var stale *transact.StaleError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &records):
		errs := make(map[int]error, len(records.Errs))
		for i, err := range records.Errs {
			errs[i] = permanent(err)
		}
		return &stream.PartialError{Errs: errs}
	case errors.As(err, &refused):
		errs := map[stream.TopicPartition]error{}
		for tp, err := range refused.Errs {
			for _, source := range sources {
				errs[ofSource(source, tp)] = err
			}
		}
		return &stream.CommitError{Errs: errs}
	case errors.As(err, &gone):
		return &stream.TopicGoneError{Partitions: ofSources(sources, gone.Parts)}
	case errors.As(err, &stale):
		return &stream.StaleGroupError{Partitions: ofSources(sources, stale.Parts), Err: err}
	case errors.Is(err, transact.ErrDoubt):
		return &stream.FencedError{Err: err}
	case errors.As(err, &fenced), wire.Fatal(err):
		return stream.Permanent(stream.Whole(err))
	}
	return stream.Whole(err)
}

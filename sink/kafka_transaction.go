package sink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
// the id ends with it, and a restarted worker ends at once the transaction that it had left open.
// Without it the id is random. Then a transaction left open by a crash ends after
// TransactionTimeout; until then it blocks readers of those topics and the next owner of the
// partitions.
//
// A transaction is open only while it is written, never while handlers run. A worker that has lost
// its partitions cannot commit, whatever its id, because the offsets carry the group's generation
// (KIP-447). An aborted transaction is retried a few times, then the policies below CommitWith
// decide. Records that cannot be written fail alone, with the same errors as in Kafka. A
// *kafkaerr.FencedError is permanent: another worker has the same InstanceID.
//
// The source must be Kafka, in the same cluster and with a Group. Brokers must be of version 3.6 or
// newer; both transaction protocols are supported (transaction.version, KIP-890).
func KafkaTransaction(c KafkaConfig, prefix string) stream.Transactor[kafka.Message] {
	return &kafkaTransaction{cfg: c, prefix: prefix}
}

type kafkaTransaction struct {
	cfg    KafkaConfig
	prefix string

	client *wire.Client
	tx     *transact.Transactor

	mu    sync.Mutex // guards the fields below
	group string     // of the last Commit; empty before the first
	taken bool       // by a running chain
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
	return errors.Join(faults...)
}

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
	s.client = c.client()
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
	s.mu.Lock()
	group := s.group
	s.mu.Unlock()
	if group == "" {
		return nil, nil
	}
	tps, source := make([]wire.TopicPartition, 0, len(parts)), ""
	for tp := range parts {
		tps, source = append(tps, wire.TopicPartition{Topic: tp.Topic, Partition: tp.Partition}), tp.Source
	}
	stored, err := s.tx.Offsets(ctx, group, tps)
	if err != nil {
		return nil, asTransactor(err, source)
	}
	at := map[stream.TopicPartition]stream.Position{}
	for tp, p := range stored {
		if p.Offset >= 0 {
			at[ofSource(source, tp)] = stream.Position{Offset: p.Offset, TopicID: p.TopicID, State: p.State}
		}
	}
	return at, nil
}

var errNoGroup = errors.New("sink.KafkaTransaction stores offsets in the source's consumer group, " +
	"and the source has none: set its Group, or write with To(sink.Kafka) [LW422]")

func (s *kafkaTransaction) Commit(ctx context.Context, txn stream.Txn[kafka.Message]) error {
	if txn.Group.Group == "" {
		return stream.Permanent(errNoGroup)
	}
	s.mu.Lock()
	s.group = txn.Group.Group
	s.mu.Unlock()
	offsets, source := make(map[wire.TopicPartition]transact.Position, len(txn.Offsets)), ""
	for tp, r := range txn.Offsets {
		source = tp.Source
		epoch, known := txn.Group.LeaderEpochs[stream.TopicPartition{Topic: tp.Topic, Partition: tp.Partition}]
		if !known {
			epoch = -1
		}
		offsets[wire.TopicPartition{Topic: tp.Topic, Partition: tp.Partition}] = transact.Position{Offset: r.Next, TopicID: r.TopicID, State: r.State, LeaderEpoch: epoch}
	}
	err := s.tx.Commit(ctx, transact.Txn{
		N: len(txn.Elems), At: func(i int) *kafka.Message { return &txn.Elems[i].Value }, Topic: s.cfg.Topic, Offsets: offsets,
		Group: transact.Group{Name: txn.Group.Group, Member: txn.Group.Member, Instance: txn.Group.Instance, Generation: txn.Group.Generation},
	})
	return asTransactor(err, source)
}

// ofSource names a partition of the chain's one source, which may have a name: see
// stream.Stream.As.
func ofSource(source string, tp wire.TopicPartition) stream.TopicPartition {
	return stream.TopicPartition{Topic: tp.Topic, Partition: tp.Partition, Source: source}
}

// asTransactor translates an error into those of stream.Transactor.
func asTransactor(err error, source string) error {
	var records *transact.RecordsError
	var fenced *kafkaerr.FencedError
	var gone *transact.GoneError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &records):
		errs := make(map[int]error, len(records.Errs))
		for i, err := range records.Errs {
			errs[i] = permanent(err)
		}
		return &stream.PartialError{Errs: errs}
	case errors.As(err, &gone):
		parts := make([]stream.TopicPartition, len(gone.Parts))
		for i, tp := range gone.Parts {
			parts[i] = ofSource(source, tp)
		}
		return &stream.TopicGoneError{Partitions: parts}
	case errors.Is(err, transact.ErrStaleGroup):
		return fmt.Errorf("%w: %w", stream.ErrStaleGroup, err)
	case errors.Is(err, transact.ErrDoubt):
		return &stream.FencedError{Err: err}
	case errors.As(err, &fenced), wire.Fatal(err):
		return stream.Permanent(stream.Whole(err))
	}
	return stream.Whole(err)
}

package transact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
)

// Config configures a Transactor.
type Config struct {
	Client  *wire.Client
	ID      string         // the transactional id
	Unique  bool           // no other process can have it
	Timeout time.Duration  // after which the coordinator aborts a transaction
	Produce produce.Config // without the fields of transactions
}

// Transactor runs transactions, one at a time.
type Transactor struct {
	cfg Config
	out *produce.Producer

	// mu guards the fields below. It is held across the requests that start or end a transaction.
	mu       sync.Mutex
	id       int64
	epoch    int16
	implicit bool // the protocol of transaction.version 2
	stale    bool // the id must be requested before it is used
	open     bool // a transaction may have started, and must end before anything else
	began    time.Time
	strange  map[string]int // by member, how often in a row the group did not know it

	doubts    doubts
	stateless atomic.Bool // the brokers have refused a state
}

// Txn is the contents of a transaction.
type Txn struct {
	N      int // messages
	At     func(i int) *kafka.Message
	Topic  string // the topic of all messages; empty: each names its own
	Shares []Share
}

// Share is the offsets of one member of a group. Each member has a generation of its own.
type Share struct {
	Group   Group
	Offsets map[wire.TopicPartition]Position
}

// parts returns the partitions of all offsets.
func (tx *Txn) parts() (all []wire.TopicPartition) {
	for _, s := range tx.Shares {
		all = slices.AppendSeq(all, maps.Keys(s.Offsets))
	}
	return all
}

// Position is a group's position in a partition.
type Position struct {
	Offset  int64    // -1 if none is stored
	TopicID [16]byte // of the offset's topic; zero if unknown
	// State is stored in the offset's metadata, together with LeaderEpoch: the newest epoch of the
	// records that it describes, -1 if unknown. Without a state there is none.
	State       string
	LeaderEpoch int32
}

// Stateless reports whether the brokers have refused a state. Since then none is sent.
func (t *Transactor) Stateless() bool { return t.stateless.Load() }

// Group identifies a member of the group that the offsets belong to.
type Group struct {
	Name, Member, Instance string
	Generation             int32
}

// New returns a Transactor; Open starts it.
func New(cfg Config) *Transactor {
	t := &Transactor{cfg: cfg, id: -1, epoch: -1, strange: map[string]int{}}
	pc := cfg.Produce
	pc.Client, pc.TransactionalID, pc.Join = cfg.Client, cfg.ID, t.join
	t.out = produce.New(pc)
	return t
}

// Find returns nil once the topic is known, or after UnknownTopicTimeout the reason why not.
func (t *Transactor) Find(ctx context.Context, topic string) error { return t.out.Find(ctx, topic) }

// Open takes over the transactional id: it fences the previous owner and aborts the transaction
// that this one left open. It retries until ctx ends.
func (t *Transactor) Open(ctx context.Context) error {
	if err := t.identify(ctx); err != nil {
		return err
	}
	return t.out.Open(ctx)
}

// Close stops the transactor.
func (t *Transactor) Close() { t.out.Close() }

// retries start with milliseconds, since the previous transaction has usually ended by then.
var retries = backoff.Policy{First: 5 * time.Millisecond, Most: 500 * time.Millisecond}

// triesAtOnce is how often Commit repeats an aborted transaction.
const triesAtOnce = 5

// Commit writes all of tx or nothing. The package comment describes its errors. When ctx ends,
// Commit aborts the transaction, unless the request to commit it was sent already: then it finds
// out the outcome, which counts.
func (t *Transactor) Commit(ctx context.Context, tx Txn) error {
	parts := tx.parts()
	if tx.N == 0 && len(parts) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for try := 1; ; try++ {
		err := t.once(ctx, tx, parts)
		var again *abortedError
		var stale *StaleError
		switch {
		case err == nil:
			for _, s := range tx.Shares {
				delete(t.strange, s.Group.Member)
			}
			return nil
		case errors.As(err, &stale):
			return t.turnedAway(ctx, stale)
		case ctx.Err() != nil, !errors.As(err, &again), try == triesAtOnce:
			return err
		}
		retries.Pause(ctx, try)
	}
}

func (t *Transactor) once(ctx context.Context, tx Txn, parts []wire.TopicPartition) error {
	if t.open {
		if err := t.abort(ctx); err != nil {
			return err
		}
	}
	if t.stale {
		if err := t.identify(ctx); err != nil {
			return err
		}
	}
	if t.doubts.about(parts) {
		return fmt.Errorf("%s: %w", t.cfg.ID, ErrDoubt)
	}
	t.out.Begin(t.id, t.epoch, t.implicit)
	err := t.write(ctx, tx)
	if err == nil && len(parts) > 0 {
		err = t.offsets(ctx, tx.Shares)
	}
	if err == nil {
		return t.end(ctx, parts)
	}
	clearing, stop := context.WithTimeout(context.WithoutCancel(ctx), clearUp)
	defer stop()
	// a transaction that stays open is aborted before anything else is done, or by its timeout
	_ = t.abort(clearing)
	return err
}

// write writes the messages.
func (t *Transactor) write(ctx context.Context, tx Txn) error {
	if tx.N == 0 {
		return nil
	}
	failed, err := t.out.Write(ctx, tx.N, tx.Topic, tx.At)
	if err != nil || len(failed) == 0 {
		return err
	}
	for _, err := range failed {
		if aborts(err) {
			return &abortedError{t.cfg.ID, err}
		}
	}
	return &RecordsError{Errs: failed}
}

// turnedAway waits a moment, so that the source can find out what happened to its partitions.
func (t *Transactor) turnedAway(ctx context.Context, err *StaleError) error {
	const most = 100 // about ten seconds: a live member has heard by then
	if t.strange[err.Member]++; t.strange[err.Member] > most {
		delete(t.strange, err.Member)
		return fmt.Errorf("%s: the group does not know this member, but its partitions were not lost: do source and sink use the same cluster? %v", t.cfg.ID, err) //nolint:errorlint // no longer a StaleError
	}
	backoff.Pause(ctx, 100*time.Millisecond)
	return err
}

package transact

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
)

// Config says how to write.
type Config struct {
	Client  *wire.Client
	ID      string         // the transactional id
	Unique  bool           // no other process can have it
	Timeout time.Duration  // after which the coordinator aborts a transaction
	Produce produce.Config // without what belongs to transactions
}

// Transactor makes transactions, one at a time.
type Transactor struct {
	cfg Config
	out *produce.Producer

	// guards what follows; held by whoever makes or ends a transaction, across its requests
	mu       sync.Mutex
	id       int64
	epoch    int16
	implicit bool // the protocol of transaction.version 2
	stale    bool // the identity must be asked for before it is used
	open     bool // a transaction may have begun, and is to be ended before anything else
	began    time.Time
	strange  int // how often in a row the group did not know us

	doubts doubts
}

// Txn is what a transaction holds.
type Txn struct {
	N       int // messages
	At      func(i int) *kafka.Message
	Topic   string // where all of them go; empty: where each says
	Offsets map[produce.TP]Position
	Group   Group
}

// Position is where a group goes on in a partition.
type Position struct {
	Offset  int64    // -1: none is stored
	TopicID [16]byte // of the topic that the offset is of; zero: not known
}

// Group is who the offsets' owner is in its group.
type Group struct {
	Name, Member, Instance string
	Generation             int32
}

// New makes a Transactor.
func New(cfg Config) *Transactor {
	t := &Transactor{cfg: cfg, id: -1, epoch: -1}
	pc := cfg.Produce
	pc.Client, pc.TransactionalID, pc.Join = cfg.Client, cfg.ID, t.join
	t.out = produce.New(pc)
	return t
}

// Find returns once the topic is known, or why it is not after UnknownTopicTimeout.
func (t *Transactor) Find(ctx context.Context, topic string) error { return t.out.Find(ctx, topic) }

// Open takes the transactional id over: whoever had it before is barred, and what it left open is
// aborted. It tries until ctx ends.
func (t *Transactor) Open(ctx context.Context) error {
	if err := t.identify(ctx); err != nil {
		return err
	}
	return t.out.Open(ctx)
}

// Close ends it.
func (t *Transactor) Close() { t.out.Close() }

// triesAtOnce is how often a transaction is done again by itself, after it had to be aborted.
const triesAtOnce = 5

// Commit makes tx durable as a whole, or leaves nothing of it; see the package comment for what its
// errors mean. When ctx ends the transaction is aborted, unless its commit is on its way already:
// how that ends is found out, and counts.
func (t *Transactor) Commit(ctx context.Context, tx Txn) error {
	if tx.N == 0 && len(tx.Offsets) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for try := 1; ; try++ {
		err := t.once(ctx, tx)
		var again *abortedError
		switch {
		case err == nil:
			t.strange = 0
			return nil
		case errors.Is(err, ErrStaleGroup):
			return t.turnedAway(ctx, err)
		case ctx.Err() != nil, !errors.As(err, &again), try == triesAtOnce:
			return err
		}
		pause(ctx, retryWait(try))
	}
}

func (t *Transactor) once(ctx context.Context, tx Txn) error {
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
	if t.doubts.about(tx.Offsets) {
		return fmt.Errorf("%s: %w", t.cfg.ID, ErrDoubt)
	}
	t.out.Begin(t.id, t.epoch, t.implicit)
	err := t.write(ctx, tx)
	if err == nil && len(tx.Offsets) > 0 {
		err = t.offsets(ctx, tx)
	}
	if err == nil {
		return t.end(ctx, tx)
	}
	clearing, stop := context.WithTimeout(context.WithoutCancel(ctx), clearUp)
	defer stop()
	// what stays open now is aborted before anything else is done, or by its timeout
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

// turnedAway waits a moment, for the source to find out what has become of its partitions.
func (t *Transactor) turnedAway(ctx context.Context, err error) error {
	const most = 100 // about ten seconds: a member that is there has heard by then
	if t.strange++; t.strange > most {
		t.strange = 0
		return fmt.Errorf("%s: the group does not know this member, and still its partitions were not lost: do source and sink name the same cluster? %s", t.cfg.ID, err)
	}
	pause(ctx, 100*time.Millisecond)
	return err
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// retryWait is the wait after so many tries. It starts with milliseconds: the transaction before
// has usually ended by then.
func retryWait(try int) time.Duration {
	return backoff.Wait(try, 5*time.Millisecond, 500*time.Millisecond)
}

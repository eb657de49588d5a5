package cookbook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Escalating retries, keeps poison for later, and halts the partition on all else.
func Escalating(from source.KafkaConfig, charge Charge, letters stream.Sink[stream.Failure]) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge, stream.Timeout(5*time.Second)).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 5}).
		DeadLetterOnError(letters, stream.When(stream.IsPermanent)). // what no retry can fix
		HaltOnError().
		CommitEvery(1000, time.Second)
}

// Busy asks for the wait that a server has named.
type Busy struct{ After time.Duration }

func (b *Busy) Error() string             { return fmt.Sprintf("the server is busy for %v", b.After) }
func (b *Busy) RetryAfter() time.Duration { return b.After }

// CheckStatus heeds Retry-After, and gives up on what the server refuses.
func CheckStatus(r *http.Response) error {
	switch {
	case r.StatusCode < 400:
		return nil
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusServiceUnavailable:
		if s, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil {
			return &Busy{time.Duration(s) * time.Second}
		}
	case r.StatusCode < 500:
		return stream.Permanent(fmt.Errorf("refused: %s", r.Status))
	}
	return fmt.Errorf("failed: %s", r.Status)
}

// Guarded waits while the bank is away, and halts nothing for it.
func Guarded(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	bank := ops.Breaker("bank", ops.Unavailable) // timeouts, lost connections; or a func of yours
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge, stream.Use(bank), stream.Timeout(3*time.Second)).
		RetryOnError(stream.RetryPolicy{}).
		HaltOnError().
		CommitEvery(1000, time.Second)
}

// Bisected finds the receipts that keep a batch from being stored.
func Bisected(from source.KafkaConfig, charge Charge, store Store, letters stream.Sink[stream.Failure]) stream.Stream[[]Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		MapConcurrent(64, charge).
		Batch(500, time.Second).
		Concurrent(2, store, stream.Bisect()).
		DeadLetterOnError(letters). // the culprits alone
		HaltOnError().
		CommitEvery(1000, time.Second)
}

// Mending halts a partition, and tries again by itself.
func Mending(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByPartition().
		MapSerial(charge).
		HaltOnError(stream.ResumeAfter(time.Minute)). // then two, up to 15
		CommitEvery(1000, time.Second)
}

// Slow logs calls that take longer than most. Use it with stream.Use.
func Slow(than time.Duration, log *slog.Logger) stream.Middleware {
	return func(next stream.Handler) stream.Handler {
		return func(ctx context.Context, c stream.Call) error {
			began := time.Now()
			err := next(ctx, c)
			if took := time.Since(began); took > than {
				log.WarnContext(ctx, "slow", "step", c.Step(), "record", c.Meta(), "took", took)
			}
			return err
		}
	}
}

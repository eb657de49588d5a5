package ops_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

var errAway = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

// bank is a dependency that can be away, and that does not take some orders.
type bank struct {
	takes time.Duration

	mu     sync.Mutex // guards what follows
	away   bool
	lasts  int // it is away after so many orders; 0: set says when
	poison map[string]error
	calls  []time.Time // those that failed for it being away
	done   map[string]int
	now    int
	most   int // calls at a time while it was away
}

func newBank() *bank {
	return &bank{takes: 10 * time.Millisecond, poison: map[string]error{}, done: map[string]int{}}
}

func (b *bank) charge(_ context.Context, m kafka.Message) error {
	b.mu.Lock()
	b.now++
	b.mu.Unlock()
	time.Sleep(b.takes)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now--
	if b.away {
		b.calls = append(b.calls, time.Now())
		b.most = max(b.most, b.now+1)
		return fmt.Errorf("charging: %w", errAway)
	}
	if err := b.poison[string(m.Value)]; err != nil {
		return err
	}
	b.done[string(m.Value)]++
	if b.lasts--; b.lasts == 0 {
		b.away = true
	}
	return nil
}

// chargeEach charges each order, and names those that failed.
func (b *bank) chargeEach(c context.Context, ms []kafka.Message) error {
	errs := map[int]error{}
	for i, m := range ms {
		if err := b.charge(c, m); err != nil {
			errs[i] = err
		}
	}
	if len(errs) > 0 {
		return &stream.PartialError{Errs: errs}
	}
	return nil
}

type bankSink struct{ *bank }

func (b bankSink) Write(c context.Context, es []stream.Out[kafka.Message]) error {
	ms := make([]kafka.Message, len(es))
	for i, e := range es {
		ms[i] = e.Value
	}
	return b.chargeEach(c, ms)
}

func (b *bank) set(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away, b.calls, b.most = away, nil, 0
}

func (b *bank) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.done)
}

// charged is how many orders were taken so often.
func (b *bank) charged(often int) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, times := range b.done {
		if times == often {
			n++
		}
	}
	return n
}

// noLetters is a topic of dead letters that stays empty.
type noLetters struct{ *testing.T }

func (s noLetters) Write(_ context.Context, fs []stream.Out[stream.Failure]) error {
	s.Errorf("dead letters: %v", fs)
	return nil
}

// told keeps the events that a test asks for.
type told struct {
	mu sync.Mutex
	es []stream.Event
}

func (o *told) observe() stream.Option {
	return stream.Observe(stream.Observer{Event: func(e stream.Event) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.es = append(o.es, e)
	}})
}

func count[E stream.Event](o *told) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.es {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

func (o *told) steps() (names []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.es {
		if e, ok := e.(stream.StepEvent); ok {
			names = append(names, e.Step+": "+e.Name+" "+e.Text)
		}
	}
	return names
}

// orders puts n records, each of a key of its own.
func orders(l *streamtest.Log[kafka.Message], partitions, n int) {
	for i := range n {
		opstest.Put(l, i%partitions, fmt.Sprint(i))
	}
}

func TestBreaker(t *testing.T) {
	t.Run("halts, retries and gives up nothing in an outage, probes one at a time, and is back within 5 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, b, o := streamtest.Kafka("orders", 4), newBank(), new(told)
			b.set(true)
			orders(l, 4, 2000)
			s := opstest.Orders.GroupByKey().
				Concurrent(64, b.charge, stream.Named("charge"), stream.Use(ops.Breaker("bank", ops.Unavailable))).
				HaltOnError().CommitEvery(100, time.Second)
			opstest.Run(t, s, []stream.Option{l.Source(), o.observe()}, func(p *stream.Pipeline) {
				opstest.Pass(time.Minute)
				if b.count() > 0 || len(p.Halts()) > 0 || count[stream.AttemptFailed](o) > 0 {
					t.Fatalf("%d are done, halts: %v, %d failures", b.count(), p.Halts(), count[stream.AttemptFailed](o))
				}
				if n := p.Snapshot().Postponed; n < 64 {
					t.Errorf("%d wait", n)
				}
				probes := slices.DeleteFunc(slices.Clone(b.calls), func(at time.Time) bool { return at.Sub(b.calls[0]) < 100*time.Millisecond })
				if n := len(probes); n < 50 || n > 66 {
					t.Errorf("%d probes in a minute", n)
				}
				for i, at := range probes[1:] {
					if gap := at.Sub(probes[i]); gap < 900*time.Millisecond {
						t.Fatalf("two probes within %v", gap)
					}
				}
				b.set(false)
				opstest.Pass(5 * time.Second)
				if n := b.count(); n != 2000 {
					t.Errorf("%d are done 5 s after its return", n)
				}
			})
			if got, want := o.steps(), []string{"charge: breaker opened bank", "charge: breaker closed bank"}; !slices.Equal(got, want) {
				t.Errorf("events: %q", got)
			}
		})
	})

	t.Run("halts nothing where each element of a batch or a write has an error of its own", func(t *testing.T) {
		for name, chain := range map[string]func(*bank, stream.Middleware) stream.Stream[kafka.Message]{
			"batch": func(b *bank, m stream.Middleware) stream.Stream[kafka.Message] {
				return opstest.Orders.GroupByPartition().Batch(10, time.Second).Serial(b.chargeEach, stream.Use(m)).HaltOnError().
					FlatMapSlice(func(_ context.Context, ms []kafka.Message) ([]kafka.Message, error) { return ms, nil })
			},
			"write": func(b *bank, m stream.Middleware) stream.Stream[kafka.Message] {
				return opstest.Orders.GroupByPartition().To(bankSink{b}, stream.Use(m)).HaltOnError()
			},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, b, o := streamtest.Kafka("orders", 4), newBank(), new(told)
					b.takes = 0 // the outage ends within no call, where some would succeed
					b.set(true)
					orders(l, 4, 400)
					s := chain(b, ops.Breaker("bank", ops.Unavailable)).CommitEvery(100, time.Second)
					opstest.Run(t, s, []stream.Option{l.Source(), o.observe()}, func(p *stream.Pipeline) {
						opstest.Pass(time.Minute)
						if b.count() > 0 || len(p.Halts()) > 0 || count[stream.AttemptFailed](o) > 0 {
							t.Fatalf("%d are done, halts: %v, %d failures", b.count(), p.Halts(), count[stream.AttemptFailed](o))
						}
						b.set(false)
						opstest.Pass(5 * time.Second)
						if n := b.count(); n != 400 {
							t.Errorf("%d are done 5 s after its return", n)
						}
					})
				})
			})
		}
	})

	t.Run("has those elements of a batch or a write wait that an outage failed, and no others", func(t *testing.T) {
		for name, chain := range map[string]func(*bank, stream.Middleware) stream.Stream[kafka.Message]{
			"batch": func(b *bank, m stream.Middleware) stream.Stream[kafka.Message] {
				return opstest.Orders.GroupByPartition().Batch(10, time.Second).Serial(b.chargeEach, stream.Use(m)).SkipOnError().
					FlatMapSlice(func(_ context.Context, ms []kafka.Message) ([]kafka.Message, error) { return ms, nil })
			},
			"write": func(b *bank, m stream.Middleware) stream.Stream[kafka.Message] {
				return opstest.Orders.GroupByPartition().To(bankSink{b}, stream.Use(m)).SkipOnError()
			},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, b, o := streamtest.Kafka("orders", 1), newBank(), new(told)
					b.takes, b.lasts = 0, 5
					b.poison["2"], b.poison["4"] = errors.New("no such currency"), stream.Permanent(errAway)
					orders(l, 1, 100)
					s := chain(b, ops.Breaker("bank", ops.Unavailable)).CommitEvery(100, time.Second)
					opstest.Run(t, s, []stream.Option{l.Source(), o.observe()}, func(p *stream.Pipeline) {
						opstest.Pass(time.Minute)
						if b.count() != 5 || count[stream.AttemptFailed](o) != 2 || count[stream.Skipped](o) != 2 {
							t.Fatalf("%d are done, %d skipped, %d failures", b.count(), count[stream.Skipped](o), count[stream.AttemptFailed](o))
						}
						b.set(false)
						opstest.Pass(5 * time.Second)
						if n := b.count(); n != 98 || count[stream.Skipped](o) != 2 {
							t.Errorf("%d are done 5 s after its return, %d skipped", n, count[stream.Skipped](o))
						}
					})
					for order, n := range b.done {
						if n != 1 {
							t.Errorf("order %s was charged %d times", order, n)
						}
					}
				})
			})
		}
	})

	t.Run("leaves one bad record to the policies, whatever its error", func(t *testing.T) {
		for name, err := range map[string]error{"as of an outage": errAway, "another": errors.New("no such currency"), "permanent": stream.Permanent(errAway)} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, b, o := streamtest.Kafka("orders", 1), newBank(), new(told)
					b.poison["7"] = err
					orders(l, 1, 100)
					s := opstest.Orders.GroupByKey().
						Concurrent(4, b.charge, stream.Use(ops.Breaker("bank", ops.Unavailable))).
						SkipOnError().CommitEach()
					opstest.Run(t, s, []stream.Option{l.Source(), o.observe()}, func(*stream.Pipeline) { opstest.Pass(time.Minute) })
					if b.count() != 99 || count[stream.Skipped](o) != 1 || len(o.steps()) != 0 {
						t.Errorf("%d done, %d skipped, events: %q", b.count(), count[stream.Skipped](o), o.steps())
					}
				})
			})
		}
	})

	t.Run("opens where only one element can call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, b, o := streamtest.Kafka("orders", 1), newBank(), new(told)
			b.set(true)
			orders(l, 1, 10)
			s := opstest.Orders.Serial(b.charge, stream.Use(ops.Breaker("bank", ops.Unavailable))).FailOnError().CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), o.observe()}, func(*stream.Pipeline) {
				opstest.Pass(time.Minute)
				if len(o.steps()) != 1 {
					t.Errorf("events: %q", o.steps())
				}
				b.set(false)
				opstest.Pass(5 * time.Second)
			})
			if b.count() != 10 {
				t.Errorf("%d done", b.count())
			}
		})
	})

	t.Run("is not kept open by a bad record that probes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, b, o := streamtest.Kafka("orders", 1), newBank(), new(told)
			b.poison["0"] = errAway
			b.set(true)
			orders(l, 1, 64)
			s := opstest.Orders.GroupByKey().Concurrent(64, b.charge, stream.Use(ops.Breaker("bank", ops.Unavailable))).
				SkipOnError().CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), o.observe()}, func(*stream.Pipeline) {
				opstest.Pass(time.Minute)
				b.set(false)
				for i := range 200 { // others call after it
					opstest.Put(l, 0, fmt.Sprint("other", i))
					opstest.Pass(50 * time.Millisecond)
				}
			})
			if b.count() != 263 || count[stream.Skipped](o) != 1 {
				t.Errorf("%d done, %d skipped", b.count(), count[stream.Skipped](o))
			}
		})
	})

	t.Run("is shared by the steps that it is given to", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, b, o := streamtest.Kafka("orders", 1), newBank(), new(told)
			bank := ops.Breaker("bank", ops.Unavailable)
			first := func(_ context.Context, m kafka.Message) (kafka.Message, error) { return m, nil }
			s := opstest.Orders.GroupByKey().
				MapConcurrent(8, first, stream.Named("first"), stream.Use(bank)).
				Concurrent(8, b.charge, stream.Named("second"), stream.Use(bank)).HaltOnError().CommitEach()
			b.set(true)
			orders(l, 1, 8)
			opstest.Run(t, s, []stream.Option{l.Source(), o.observe()}, func(p *stream.Pipeline) {
				opstest.Pass(10 * time.Second)
				waiting := p.Snapshot().Postponed
				orders(l, 1, 8)
				synctest.Wait()
				if n := p.Snapshot().Postponed; waiting == 0 || n <= waiting-1 {
					t.Errorf("%d wait, before the others came %d", n, waiting)
				}
				b.set(false)
				opstest.Pass(5 * time.Second)
				if len(p.Halts()) > 0 || p.Snapshot().Postponed > 0 {
					t.Errorf("halts: %v, %d wait", p.Halts(), p.Snapshot().Postponed)
				}
			})
		})
	})

	t.Run("shared by two steps, probes one call at a time, dead-letters nothing, and is back within 5 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, b, o := streamtest.Kafka("orders", 4), newBank(), new(told)
			bank := ops.Breaker("bank", ops.Unavailable)
			reserve := func(c context.Context, m kafka.Message) (kafka.Message, error) { return m, b.charge(c, m) }
			const n = 2000
			b.lasts = n / 2
			orders(l, 4, n)
			s := opstest.Orders.GroupByKey().
				MapConcurrent(64, reserve, stream.Named("reserve"), stream.Use(bank)).
				Concurrent(64, b.charge, stream.Named("charge"), stream.Use(bank)).
				DeadLetterOnError(noLetters{t}).CommitEvery(100, time.Second)
			opstest.Run(t, s, []stream.Option{l.Source(), o.observe()}, func(p *stream.Pipeline) {
				opstest.Pass(10 * time.Second)
				b.set(true) // count the calls from here on
				opstest.Pass(time.Minute)
				b.mu.Lock()
				calls, most := len(b.calls), b.most
				b.mu.Unlock()
				if calls < 50 || calls > 66 || most != 1 {
					t.Errorf("%d calls in a minute, %d at a time", calls, most)
				}
				b.set(false)
				opstest.Pass(5 * time.Second)
				if got := b.charged(2); got != n {
					t.Errorf("%d of %d have passed both steps 5 s after its return", got, n)
				}
				if f := count[stream.AttemptFailed](o); f != 0 || p.Snapshot().Postponed != 0 {
					t.Errorf("%d failures, %d wait", f, p.Snapshot().Postponed)
				}
			})
		})
	})

	t.Run("holds up no drain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, b := streamtest.Kafka("orders", 2), newBank()
			b.set(true)
			orders(l, 1, 100)
			s := opstest.Orders.GroupByKey().Concurrent(8, b.charge, stream.Use(ops.Breaker("bank", ops.Unavailable))).HaltOnError().CommitEach()
			var began time.Time
			opstest.Run(t, s, []stream.Option{l.Source()}, func(*stream.Pipeline) {
				opstest.Pass(time.Minute)
				began = time.Now()
			})
			if took := time.Since(began); took > time.Second {
				t.Errorf("the drain took %v", took)
			}
		})
	})

	t.Run("needs to know what an outage is", func(t *testing.T) {
		if _, err := opstest.Orders.Serial(newBank().charge, stream.Use(ops.Breaker("bank", nil))).Build(streamtest.Kafka("orders", 1).Source()); err == nil {
			t.Error("it was built")
		}
	})
}

type sqlState string

func (s sqlState) Error() string    { return "SQLSTATE " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

func TestUnavailable(t *testing.T) {
	for _, err := range []error{
		errAway, &net.DNSError{Err: "no such host"}, context.DeadlineExceeded, io.ErrUnexpectedEOF,
		&url.Error{Op: "Get", URL: "http://bank", Err: errAway}, &url.Error{Op: "Get", URL: "http://bank", Err: context.DeadlineExceeded},
		fmt.Errorf("charging: %w", errAway), syscall.ECONNREFUSED, os.NewSyscallError("write", syscall.EPIPE), fmt.Errorf("read: %w", syscall.ECONNRESET),
		syscall.ETIMEDOUT, sqlState("57P03"), fmt.Errorf("charging: %w", sqlState("08006")),
	} {
		if !ops.Unavailable(err) {
			t.Errorf("%v is no outage", err)
		}
	}
	for _, err := range []error{nil, errors.New("no such currency"), syscall.ENOENT, sqlState("23505"), sqlState("57014"), context.Canceled, &url.Error{Op: "Get", URL: "x", Err: errors.New("unsupported protocol scheme")}} {
		if ops.Unavailable(err) {
			t.Errorf("%v is an outage", err)
		}
	}
}

func TestBreakerIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, b := streamtest.Kafka("orders", 1), newBank()
		b.set(true)
		opstest.Put(l, 0, "a", "b", "c", "d", "e", "f", "g", "h")
		s := opstest.Orders.GroupByKey().Concurrent(8, b.charge, stream.Named("charge"), stream.Use(ops.Breaker("bank", ops.Unavailable))).CommitEach()
		opstest.Run(t, s, []stream.Option{l.Source()}, func(p *stream.Pipeline) {
			opstest.Pass(time.Minute)
			e := p.Explain(stream.TopicPartition{Topic: "orders"})
			if e.Cause != stream.CausePostponed || e.Step != "charge" || e.Err == nil {
				t.Errorf("%+v", e)
			}
			b.set(false)
			opstest.Pass(time.Minute)
			if e = p.Explain(stream.TopicPartition{Topic: "orders"}); e.Cause != stream.CauseIdle {
				t.Errorf("%v", e)
			}
		})
	})
}

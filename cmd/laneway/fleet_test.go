package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

const (
	operates = "olaf-may-operate-it"
	reads    = "rita-may-read-it-all"
)

// crew is two replicas of a worker, with partitions 0, 1 and 2, 3 of the topic orders.
type crew struct {
	t      *testing.T
	log    *streamtest.Log[kafka.Message]
	fixed  atomic.Bool // the handler works
	stops  []func()
	mu     sync.Mutex // guards halts
	halts  int
	told   *sync.Cond // of each event
	addrs  []string
	tokens map[string]string // files, by name
}

var (
	errBank  = errors.New("the bank does not know this currency")
	errStock = errors.New("no stock of it")
)

func (c *crew) charge(_ context.Context, m kafka.Message) error {
	switch {
	case c.fixed.Load():
	case bytes.HasPrefix(m.Value, []byte("bad")):
		return errBank
	case bytes.HasPrefix(m.Value, []byte("out")):
		return errStock
	}
	return nil
}

// start starts the replicas.
func start(t *testing.T, opts ...admin.Option) *crew {
	t.Helper()
	t.Setenv(atVariable, "")
	t.Setenv(tokenVariable, "")
	c := &crew{t: t, log: streamtest.Kafka("orders", 4), tokens: map[string]string{}}
	c.told = sync.NewCond(&c.mu)
	for name, secret := range map[string]string{"olaf": operates, "rita": reads, "eve": "eve-does-not-know-it"} {
		c.tokens[name] = filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(c.tokens[name], []byte(secret+"\n"), 0o600))
	}
	opts = append(opts, admin.Token("olaf", operates, admin.Operate), admin.Token("rita", reads, admin.Read),
		admin.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	for i := range 2 {
		c.replica(opts, 2*i, 2*i+1)
	}
	return c
}

// replica starts a replica with partitions.
func (c *crew) replica(opts []admin.Option, partitions ...int) {
	t := c.t
	t.Helper()
	m := c.log.Member()
	p, err := stream.From[kafka.Message](nil).GroupByKey().Concurrent(8, c.charge, stream.Named("charge")).
		ParkOnError(stream.When(func(err error) bool { return errors.Is(err, errStock) })).HaltOnError().CommitEach().
		Build(m.Source(), stream.Named("billing"), stream.BuildID(""), stream.Observe(stream.Observer{Event: func(e stream.Event) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if _, is := e.(stream.Halted); is {
				c.halts++
			}
			c.told.Broadcast()
		}}))
	must(t, err)
	at := admin.At(fmt.Sprintf("127.0.0.%d:0", len(c.addrs)+1), opts...) // so that their order is known
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stream.Supervise(p).Admin(at).Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	addr, err := at.Addr(t.Context())
	must(t, err)
	must(t, m.Assign(partitions...))
	c.addrs, c.stops = append(c.addrs, addr.String()), append(c.stops, stop)
}

// put appends a record to a partition and waits until it has halted or is committed.
func (c *crew) put(partition int, record string) {
	c.t.Helper()
	c.mu.Lock()
	halts := c.halts
	c.mu.Unlock()
	at := c.log.Append(partition, "key "+record, kafka.Message{Value: []byte(record)})
	c.until(func() bool { return c.halts > halts || c.log.Committed(partition) > at })
}

// until waits for the event after which ok holds.
func (c *crew) until(ok func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() {
		c.told.Wait()
	}
}

// result is what a command has said.
type result struct {
	out string
	err error
}

// runs runs a command against all replicas, as somebody.
func (c *crew) runs(who string, args ...string) result {
	c.t.Helper()
	args = append(slices.Clone(args), "--at", strings.Join(c.addrs, ","))
	if !slices.Contains(args, "--timeout") {
		args = append(args, "--timeout", "1m") // for a machine that is busy
	}
	if who != "" {
		args = append(args, "--token-file", c.tokens[who])
	}
	var out, errs bytes.Buffer
	err := run(c.t.Context(), args, &out, &errs)
	if errs.Len() > 0 {
		c.t.Errorf("%v wrote to standard error: %s", args, &errs)
	}
	return result{out.String(), err}
}

// full is the output with the error behind it, as a terminal shows them.
func (r result) full() string {
	if r.err == nil {
		return r.out
	}
	return fmt.Sprintf("%s%s\nexit status %d\n", r.out, told(r.err), exitCode(r.err))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

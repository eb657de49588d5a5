package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// job configures a worker process, in the variable jobVar.
type job struct {
	Name     string
	Instance string // name of a static member; empty: a dynamic one
	Brokers  []string
	Group    string
	Topic    string
	Out      string // the topic of a result for each record; empty: none
	Once     bool   // exactly once
	Session  time.Duration
	Merged   *job  // brokers, group, topic and session of another cluster; nil: none
	Load     *load // of a row of the table of repeats; nil: the chains of the other tests
}

const jobVar = "LANEWAY_CRASH_JOB"

// The bounds of duplicates.
const (
	wide        = 16  // records at a time
	inFlight    = 16  // unfinished records of a partition
	commitEvery = 100 // records over all partitions
	commitWait  = 250 * time.Millisecond
)

const retryWait = 150 * time.Millisecond

const (
	session   = 2 * time.Second // short, so that a death is noticed soon
	rebalance = 10 * time.Second
	drain     = 5 * time.Second
)

// Values that a handler does not simply accept. Padding may follow a space.
const (
	flaky  = "flaky"  // fails twice in each process, then succeeds
	late   = "late"   // fails once in each process
	stuck  = "stuck"  // fails until released
	poison = "poison" // fails until released, and halts its partition or parks its key
)

// failures is how often a value fails in each process.
var failures = map[string]int{flaky: 2, late: 1}

// worker is a process that runs the chain.
type worker struct {
	job
	out      *os.File
	pipeline *stream.Pipeline
	halts    chan stream.Halt // room for all possible halts; never closed

	mu       sync.Mutex // guards the fields below
	epochs   map[int]int32
	tries    map[stream.TopicPartition]map[int64]int
	released bool
}

// runWorker is main of a worker. It returns the exit code.
func runWorker(config string) int {
	w := &worker{out: os.NewFile(3, "journal"), halts: make(chan stream.Halt, 64), epochs: map[int]int32{},
		tries: map[stream.TopicPartition]map[int64]int{}}
	if err := json.Unmarshal([]byte(config), &w.job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	chain := w.atLeastOnce
	records := inFlight
	switch {
	case w.Load != nil:
		chain, records = w.loaded, w.Load.InFlight
	case w.Once:
		chain = w.writeOnce
	case w.Out != "":
		chain = w.write
	}
	opts := []stream.Option{stream.MaxInFlight(records), stream.DrainTimeout(drain), stream.Observe(stream.Observer{Event: w.event})}
	if w.Load != nil && w.Load.Park {
		opts = append(opts, stream.MaxBytes(w.Load.Bytes), stream.BuildID("crashtest")) // by which parks outlive their worker
	}
	w.pipeline, err = chain(w.source().GroupByKey()).Build(opts...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	go w.obey() // ends with the process
	releasing, done := context.WithCancel(context.Background())
	var release conc.WaitGroup
	release.Go(func() { w.release(releasing) })
	w.tell(ready, 0, 0, "-")
	err = w.pipeline.Run(ctx)
	done()
	release.Wait()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Run:", err)
		return 1
	}
	w.tell(ended, 0, 0, "-")
	return 0
}

func (w *worker) atLeastOnce(s stream.Stream[kafka.Message]) stream.Stream[kafka.Message] {
	return s.Concurrent(wide, w.handle).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 5, Wait: func(stream.Failure) time.Duration { return retryWait }}).
		HaltOnError().
		CommitEvery(commitEvery, commitWait)
}

// handle writes a line when it starts and ends.
func (w *worker) handle(ctx context.Context, m kafka.Message) error {
	meta, _ := stream.MetaOf(ctx)
	at := number(meta.TopicPartition())
	epoch := stream.StateOf(ctx, w, func() *int32 { e := w.epoch(at); return &e })
	tell := func(what string) { w.say(entry{what, w.Name, *epoch, at, m.Offset, string(m.Key)}) }
	tell(began)
	took := time.NewTimer(w.takes(&m))
	defer took.Stop()
	select {
	case <-took.C:
	case <-ctx.Done():
		tell(failed)
		return context.Cause(ctx)
	}
	if err := w.fails(meta.TopicPartition(), &m); err != nil {
		tell(failed)
		return err
	}
	tell(done)
	return nil
}

var (
	errFlaky  = errors.New("not yet")
	errPoison = stream.Permanent(errors.New("poison"))
)

func (w *worker) fails(tp stream.TopicPartition, m *kafka.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch value, _, _ := strings.Cut(string(m.Value), " "); value {
	case flaky, late:
		if w.tries[tp] == nil {
			w.tries[tp] = map[int64]int{}
		}
		if w.tries[tp][m.Offset]++; w.tries[tp][m.Offset] <= failures[value] {
			return errFlaky
		}
	case stuck:
		if !w.released {
			return errFlaky
		}
	case poison:
		if !w.released {
			return errPoison
		}
	}
	return nil
}

// event writes a line for what the pipeline did.
func (w *worker) event(e stream.Event) {
	switch e := e.(type) {
	case stream.Assigned:
		w.mu.Lock()
		w.epochs[number(e.TopicPartition)] = e.Epoch
		w.mu.Unlock()
		w.say(entry{assigned, w.Name, e.Epoch, number(e.TopicPartition), e.Offset, "-"})
	case stream.Revoked:
		w.say(entry{revoked, w.Name, e.Epoch, number(e.TopicPartition), e.Committed, "-"})
	case stream.Lost:
		w.say(entry{lost, w.Name, e.Epoch, number(e.TopicPartition), 0, "-"})
	case stream.Committed:
		for tp, offset := range e.Offsets {
			w.tell(committed, number(tp), offset, "-")
		}
	case stream.Draining:
		fmt.Fprintf(os.Stderr, "%s draining: %v\n", time.Now().Format("05.000"), e.Cause)
		w.tell(draining, 0, 0, "-")
	case stream.Retrying:
		w.tell(waiting, number(e.Meta.TopicPartition()), e.Meta.Offset, "-")
	case stream.Halted:
		w.say(entry{halted, w.Name, e.Epoch, number(e.Meta.TopicPartition()), e.Meta.Offset, "-"})
		w.halts <- e.Halt
	case stream.Resumed:
		w.say(entry{resumed, w.Name, e.Epoch, number(e.Meta.TopicPartition()), e.Meta.Offset, "-"})
	case stream.SourceEvent:
		fmt.Fprintf(os.Stderr, "%s %s %v: %s %v\n", time.Now().Format("05.000"), e.Name, e.TopicPartition, e.Text, e.Err)
	case stream.DrainIncomplete:
		fmt.Fprintf(os.Stderr, "%s %v\n", time.Now().Format("05.000"), e.Err)
		for _, tp := range e.Partitions {
			w.tell(overdue, number(tp), 0, "-")
		}
	case stream.CommitFailed:
		fmt.Fprintf(os.Stderr, "%s commit failed %v: %v\n", time.Now().Format("05.000"), e.TopicPartition, e.Err)
	}
}

func (w *worker) epoch(partition int) int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epochs[partition]
}

func (w *worker) tell(what string, partition int, offset int64, key string) {
	w.say(entry{what, w.Name, w.epoch(partition), partition, offset, key})
}

// say is one write: lines of several workers never mix, and a written line survives this process.
func (w *worker) say(e entry) {
	if _, err := w.out.WriteString(e.String()); err != nil {
		os.Exit(3) // the test is gone
	}
}

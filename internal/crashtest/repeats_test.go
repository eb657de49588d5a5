package crashtest

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream"
)

// load is what the workers of a row do with its records.
type load struct {
	Wide      int           // records at a time
	InFlight  int           // unfinished records of a partition
	Slowest   time.Duration // handlers take from 0 to this
	Wait      time.Duration // of a failed record, for its retry
	Unordered bool          // not by key
	Park      bool          // failed records are parked, instead of a retry
	Bytes     int64         // the budget, if they are parked
	Commit    time.Duration // between two commits
}

// long reports whether the table is for readers.
func long() bool { return os.Getenv("LANEWAY_CRASH_ROUNDS") != "" }

// beside runs a test beside others, since workers mostly wait. Many rounds are run by themselves.
func beside(t *testing.T) {
	if !long() {
		t.Parallel()
	}
}

// size is a value for the gate, or for the table that readers see.
func size[T any](gate, readers T) T {
	if long() {
		return readers
	}
	return gate
}

// row is a row of the table of repeats: three workers, of which one after another ends.
type row struct {
	name string
	load
	records int
	rate    int // records written per second; 0: all are there from the start
	failing int // of 1,000 records, how many fail once in each process
	stuck   bool
	kill    bool // kill -9; else SIGTERM
	ends    int  // workers that end
}

// table returns the rows: in the size of the gate, or with LANEWAY_CRASH_ROUNDS ends each and as
// many records as the table needs.
func table(t *testing.T) []row {
	r := row{load: load{Wide: 32, InFlight: 4096, Slowest: 2 * time.Millisecond, Wait: 100 * time.Millisecond, Commit: time.Second},
		records: size(4000, 60_000), ends: size(2, rounds(t))}
	with := func(name string, change func(*row)) row {
		r := r
		r.name = name
		change(&r)
		return r
	}
	const rate = 2000
	wait := size(time.Second/2, 10*time.Second)
	return []row{
		with("SIGTERM, no record fails", func(*row) {}),
		with("SIGTERM, 0.5 % of records wait 100 ms for a retry", func(r *row) { r.failing = 5 }),
		with("SIGTERM, 2 % wait 100 ms for a retry", func(r *row) { r.failing = 20 }),
		with("kill -9, commit every 50 ms", func(r *row) { r.kill, r.Commit, r.rate = true, 50*time.Millisecond, size(rate, 0) }),
		with("kill -9, commit every second", func(r *row) { r.kill = true }),
		with(fmt.Sprintf("SIGTERM, 5 %% wait %v, %d records/s, in no order", wait, rate), func(r *row) {
			r.failing, r.rate, r.Wait, r.Unordered = 50, rate, wait, true
		}),
		with(fmt.Sprintf("SIGTERM, 5 %% wait %v, %d records/s, by key", wait, rate), func(r *row) {
			r.failing, r.rate, r.Wait = 50, rate, wait
		}),
		with("SIGTERM amid a backlog of slow records, 64 wide", func(r *row) {
			r.Wide, r.Slowest, r.records = 64, size(200*time.Millisecond, 2*time.Second), size(2000, 6000)
		}),
		with("kill -9, one record stuck", func(r *row) {
			r.kill, r.stuck, r.Commit = true, true, 50*time.Millisecond
			r.InFlight, r.records, r.rate = size(256, 4096), size(4000, 100_000), size(rate, 0)
		}),
	}
}

// Repeated are handler calls of records that had succeeded before. With LANEWAY_CRASH_ROUNDS=10 the
// table is that of ARCHITECTURE.md.
func TestRepeatsRealKafka(t *testing.T) {
	beside(t)
	rows := table(t)
	lines := make([]string, len(rows))
	t.Run("rows", func(t *testing.T) {
		for n, r := range rows {
			t.Run(r.name, func(t *testing.T) {
				beside(t)
				v, drain := r.run(t, kafkatest.At(t, kafkatest.Real(t)))
				took := "–"
				if !r.kill {
					took = drain.Round(time.Millisecond).String()
				}
				lines[n] = fmt.Sprintf("| %s | %d | %d | %d | %d | %v | %s |", r.name, v.records, r.ends, v.repeated+v.drained, v.bound, r.Slowest, took)
			})
		}
	})
	t.Logf("\n| | records | ends | repeated | at most | slowest handler | longest drain |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n%s",
		strings.Join(lines, "\n"))
}

// run ends one worker after another, has the others do the rest, and judges. It returns how long
// the longest drain took.
func (r row) run(t *testing.T, k *kafkatest.Kafka) (v *verdict, drain time.Duration) {
	parts := partitions
	if r.stuck {
		parts = 1
	}
	topic := k.Topic(parts)
	// a session that no busy machine lets expire; killed workers return under their names
	f := newFleet(t, job{Brokers: k.Brokers, Group: kafkatest.Name("repeats"), Topic: topic, Session: 20 * time.Second, Load: &r.load})
	recs, keys := r.traffic(f, topic, parts)
	var writer conc.WaitGroup
	defer writer.Wait()
	writer.Go(func() { r.write(t, k, recs) })
	if r.rate == 0 {
		writer.Wait()
	}
	for n := range 3 {
		f.join(r.instance(n))
	}
	reach := r.records
	if r.stuck { // its key waits with it
		reach = 0
		for _, key := range keys[0] {
			if key != keys[0][0] {
				reach++
			}
		}
	}
	share := reach / (r.ends + 1)
	for n := range r.ends {
		p := f.after(n*share + f.rng.IntN(share))
		if r.kill {
			f.kill(p)
		} else {
			began := time.Now()
			f.terminate(p)
			drain = max(drain, time.Since(began))
		}
		f.join(p.Instance)
	}
	f.reach(reach)
	if r.stuck {
		f.kill(f.live[0])
		f.release()
		f.reach(r.records)
	}
	ends := map[int32]int64{}
	for n, ks := range keys {
		ends[int32(n)] = int64(len(ks))
	}
	k.WaitCommitted(f.job.Group, topic, ends)
	f.terminate(f.live...)
	v = f.judge(keys, limits{wide: r.Wide, inFlight: r.InFlight})
	if v.repeated > v.bound {
		t.Errorf("%d records are repeated after crashes, the bound is %d", v.repeated, v.bound)
	}
	return v, drain
}

func (r row) instance(n int) string {
	if r.kill {
		return fmt.Sprint("static-", n)
	}
	return ""
}

const tableKeys = 500

// traffic returns the records in the order in which they are written, and their keys by partition
// and offset.
func (r row) traffic(f *fleet, topic string, parts int) (recs []*kgo.Record, keys [][]string) {
	keys = make([][]string, parts)
	for n := range r.records {
		key := f.rng.IntN(tableKeys)
		if r.Unordered {
			key = n // judged by itself
		}
		rec := &kgo.Record{Topic: topic, Partition: int32(key % parts), Key: fmt.Append(nil, "k", key), Value: []byte("plain")}
		switch {
		case r.stuck && n == 0:
			rec.Value = []byte(stuck)
		case f.rng.IntN(1000) < r.failing:
			rec.Value = []byte(late)
		}
		recs = append(recs, rec)
		keys[rec.Partition] = append(keys[rec.Partition], string(rec.Key))
	}
	return recs, keys
}

// write writes the records at their rate.
func (r row) write(t *testing.T, k *kafkatest.Kafka, recs []*kgo.Record) {
	const ticks = 50 // per second
	tick := time.NewTicker(time.Second / ticks)
	defer tick.Stop()
	for len(recs) > 0 {
		n := min(len(recs), cmp.Or(r.rate/ticks, len(recs)))
		if err := k.Client.ProduceSync(t.Context(), recs[:n]...).FirstErr(); err != nil {
			t.Errorf("writing: %v", err)
			return
		}
		if recs = recs[n:]; len(recs) > 0 {
			<-tick.C
		}
	}
}

// after returns the worker that did the nth record, or the next that runs.
func (f *fleet) after(n int) (p *process) {
	f.t.Helper()
	f.awaitFrom(0, fmt.Sprint(n, " records to be done"), 1, func(e entry) bool {
		if e.what != done {
			return false
		}
		if n--; n <= 0 {
			p = f.named(e.worker)
		}
		return p != nil
	})
	return p
}

// reach waits until so many different records are done, for each of them as long as its patience.
func (f *fleet) reach(records int) {
	f.t.Helper()
	type place struct {
		partition int
		offset    int64
	}
	seen := map[place]bool{}
	idle := time.NewTimer(patience)
	defer idle.Stop()
	for n := 0; ; {
		es, more, _ := f.log.since(n)
		n += len(es)
		for _, e := range es {
			if e.what == done && !seen[place{e.partition, e.offset}] {
				seen[place{e.partition, e.offset}] = true
				idle.Reset(patience)
			}
		}
		if len(seen) >= records {
			return
		}
		select {
		case <-more:
		case <-idle.C:
			f.t.Fatalf("%d of %d records were done, and for %v no other was", len(seen), records, patience)
		}
	}
}

// loaded is the chain of a row.
func (w *worker) loaded(s stream.Stream[kafka.Message]) stream.Stream[kafka.Message] {
	if w.Load.Unordered {
		s = s.Ungroup()
	}
	if w.Load.Park {
		return s.Concurrent(w.Load.Wide, w.handle).ParkOnError().CommitEvery(1_000_000, w.Load.Commit)
	}
	return s.Concurrent(w.Load.Wide, w.handle).
		RetryOnError(stream.RetryPolicy{Unlimited: true, Wait: func(stream.Failure) time.Duration { return w.Load.Wait }}).
		CommitEvery(1_000_000, w.Load.Commit)
}

// takes is how long a record takes: a few milliseconds, or what the load says.
func (w *worker) takes(m *kafka.Message) time.Duration {
	if w.Load == nil {
		return time.Duration(1+m.Offset*7919%19) * time.Millisecond
	}
	return w.Load.Slowest * time.Duration(m.Offset*7919%1000) / 1000
}

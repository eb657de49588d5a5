package stream_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

var update = flag.Bool("update", false, "rewrite testdata")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		t.Errorf("%s is not what is described now; if that is meant, run with -update. Got:\n%s", file, got)
	}
}

func decode(_ context.Context, v string) (int, error)  { return len(v), nil }
func charge(_ context.Context, n int) (string, error)  { return "", nil }
func publish(_ context.Context, b []string) error      { return nil }
func itself(v string) string                           { return v }
func known(n int) bool                                 { return n > 0 }
func customer(n int) int                               { return n }
func functional(_ context.Context, n int) (int, error) { return n, nil }
func forward(_ context.Context, in in, out out) error  { return nil }
func generic[T any](_ context.Context, v T) (T, error) { return v, nil }

func itsA(v string) bool { return v[:1] == "a" }
func audited(s strs) strs {
	return s.AlsoTo(func(s strs) strs { return s.Tap(pass, stream.Named("seen")) }, stream.Named("glance")).To(new(sink[string])).RetryOnError(stream.RetryPolicy{})
}
func review(s strs) strs {
	return s.GroupByKey().Concurrent(2, pass, stream.Named("ask")).ParkOnError()
}
func counted(s strs) strs { return s.Tap(pass, stream.Named("count")).SkipOnError() }

type gateway struct{}

func (gateway) Charge(_ context.Context, n int) (int, error)  { return n, nil }
func (*gateway) Refund(_ context.Context, n int) (int, error) { return n, nil }

func TestDescribe(t *testing.T) {
	t.Run("prints the plan", func(t *testing.T) {
		s := of(stream.SourceInfo{Name: "kafka orders, payments", StateBytes: 4096})
		for name, chain := range map[string]buildable{
			"readme": s.Map(decode).GroupByKey().MapConcurrent(64, charge).RetryOnError(stream.RetryPolicy{MaxAttempts: 3}).HaltOnError().
				CommitEvery(1000, time.Second),
			"everything": s.Map(decode).Filter(known).
				RetryOnError(stream.RetryPolicy{}, stream.When(is(errBoom))).DeadLetterOnError(new(sink[stream.Failure])).HaltOnError().
				GroupBy(customer).MapConcurrent(8, charge, stream.Named("charge cards"), stream.MaxPartitions(2)).SkipOnError().
				Throttle(100, 10).Ungroup().Transform("reorder", forward).
				Batch(100, time.Second).Serial(publish).FailOnError().FlatMap(flat).To(stuckSink{}).CommitEach(),
			"at-most-once": s.Serial(pass).CommitBefore(10, 0, stream.ByCountOnly()).MapConcurrent(4, echo, stream.KeepOrder(), stream.Timeout(time.Second)).SkipOnError(),
			"no-degree":    s.Map(decode),
			"batches": s.GroupByKey().Batch(10, 0).Concurrent(4, publish).Ungroup().FlatMap(flat).GroupBy(itself).Batch(20, time.Second).Concurrent(8, publish).
				Ungroup().FlatMap(flat).Batch(500, time.Second).Serial(publish),
			"no-state": of(stream.SourceInfo{Name: "a file"}).Serial(pass).CommitEvery(10, time.Second),
			"exactly-once": s.Map(decode).GroupByKey().MapConcurrent(64, charge).RetryOnError(stream.RetryPolicy{}).HaltOnError().
				CommitWith(newDatabase(), 1000, 100*time.Millisecond, stream.Named("ledger"), stream.MaxPartitions(2)).RetryOnError(stream.RetryPolicy{}).FailOnError(),
			"branches": s.GroupByKey().AlsoTo(audited).DivertTo(itsA, review).MapConcurrent(64, echo).RetryOnError(stream.RetryPolicy{}).HaltOnError().
				AlsoTo(counted, stream.Clone(itself)).To(stuckSink{}).CommitEvery(1000, time.Second),
			"merge": stream.Merge(s.As("eu").Map(echo).AlsoTo(audited), of(stream.SourceInfo{Name: "kafka legacy", ID: "us", StateBytes: 4096}).MapSerial(echo)).
				DivertTo(itsA, counted).GroupByPartition().Concurrent(8, pass).HaltOnError().CommitEvery(1000, time.Second),
		} {
			t.Run(name, func(t *testing.T) {
				p, err := chain.Build(stream.Named("billing"))
				must(t, err)
				d := p.Describe()
				golden(t, name+".txt", d.String())
				golden(t, name+".mmd", d.Mermaid())
				golden(t, name+".dot", d.DOT())
			})
		}
	})
	t.Run("says how many parked lanes are stored", func(t *testing.T) {
		p, err := of(stream.SourceInfo{Name: "kafka orders", StateBytes: 4059}).GroupByKey().Concurrent(4, pass).ParkOnError().CommitEvery(10, time.Second).Build()
		must(t, err)
		if g := p.Describe().Guarantee; !strings.HasSuffix(g, "at about 260 parked lanes a partition is no longer read") {
			t.Error(g)
		}
	})
	t.Run("names a step after its function", func(t *testing.T) {
		s := of(stream.SourceInfo{Name: "quiet"}).Map(decode)
		literal := func(_ context.Context, n int) (int, error) { return n, nil }
		for want, chain := range map[string]buildable{
			"charge":     s.MapSerial(charge),
			"Charge":     s.MapSerial(gateway{}.Charge),
			"Refund":     s.MapSerial((&gateway{}).Refund),
			"functional": s.MapSerial(functional),
			"generic":    s.MapSerial(generic[int]),
			"mapserial":  s.MapSerial(literal),
			"mine":       s.MapSerial(charge, stream.Named("mine")),
			"door":       s.Transform("door", func(context.Context, <-chan stream.Elem[int], chan<- stream.Elem[int]) error { return nil }),
			"known":      s.Filter(known),
			"decode-2":   of(stream.SourceInfo{}).Map(decode).Ungroup().Map(generic[int]).Map(generic[int], stream.Named("x")).Map(itoa).Map(decode),
		} {
			t.Run(want, func(t *testing.T) {
				p, err := chain.Build()
				must(t, err)
				stages := p.Describe().Stages
				steps := stages[len(stages)-1].Steps
				if len(steps) == 0 {
					steps = stages[len(stages)-2].Steps
				}
				if got := steps[len(steps)-1].Name; got != want {
					t.Errorf("named %q, want %q", got, want)
				}
			})
		}
	})
	t.Run("names a pipeline after its source", func(t *testing.T) {
		p, err := of(stream.SourceInfo{Name: "kafka orders"}).Build()
		must(t, err)
		if d := p.Describe(); d.Name != "kafka orders" || d.Source != "kafka orders" {
			t.Errorf("described as %q from %q", d.Name, d.Source)
		}
	})
}

func itoa(context.Context, int) (string, error) { return "", nil }

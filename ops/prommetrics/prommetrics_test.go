package prommetrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// exposes checks metrics, given without their help texts.
func exposes(t *testing.T, r *prometheus.Registry, want ...string) {
	t.Helper()
	rec := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	got := rec.Body.String()
	for _, w := range want {
		if !strings.Contains("\n"+got, "\nlaneway_"+w+"\n") {
			name, _, _ := strings.Cut(w, "{")
			var there []string
			for s := range strings.Lines(got) {
				if strings.HasPrefix(s, "laneway_"+name) {
					there = append(there, s)
				}
			}
			t.Errorf("%s is not exposed; exposed are\n%s", w, strings.Join(there, ""))
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Run("report the state", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 2), prometheus.NewRegistry()
			opstest.Put(l, 0, "a", "bad", "c")
			opstest.Put(l, 1, "a", "once", "skip", "d")
			work := opstest.Failing(map[string]int{"bad": -1, "once": 1, "skip": -1})
			s := opstest.Orders.GroupByPartition().Serial(work, stream.Named("charge")).
				RetryOnError(opstest.Retries(2), stream.When(func(err error) bool { return !strings.Contains(err.Error(), "bad") })).
				SkipOnError(stream.When(func(err error) bool { return strings.Contains(err.Error(), "skip") })).HaltOnError().CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(prommetrics.To(r)), stream.Named("billing")}, func(*stream.Pipeline) {
				opstest.Pass(30 * time.Second)
				exposes(t, r, `parked_retries{pipeline="billing"} 1`)
				opstest.Pass(10 * time.Minute)
				exposes(t, r,
					`lag_records{partition="0",pipeline="billing",source="",topic="orders"} 2`,
					`lag_records{partition="1",pipeline="billing",source="",topic="orders"} 0`,
					`committed_offset{partition="0",pipeline="billing",source="",topic="orders"} 1`,
					`watermark_offset{partition="1",pipeline="billing",source="",topic="orders"} 4`,
					`watermark_age_seconds{partition="0",pipeline="billing",source="",topic="orders"} 630`,
					`watermark_age_seconds{partition="1",pipeline="billing",source="",topic="orders"} 0`,
					`in_flight_records{partition="1",pipeline="billing",source="",topic="orders"} 0`,
					`halted{partition="0",pipeline="billing",source="",topic="orders"} 1`,
					`halted{partition="1",pipeline="billing",source="",topic="orders"} 0`,
					`paused{partition="0",pipeline="billing",source="",topic="orders"} 0`,
					`halts_total{partition="0",pipeline="billing",source="",topic="orders"} 1`,
					`records_handled_total{partition="0",pipeline="billing",source="",topic="orders"} 1`,
					`records_handled_total{partition="1",pipeline="billing",source="",topic="orders"} 4`,
					`fetched_records_total{partition="1",pipeline="billing",source="",topic="orders"} 4`,
					`attempts_failed_total{partition="1",pipeline="billing",source="",topic="orders"} 3`,
					`step_attempts_failed_total{pipeline="billing",step="charge"} 4`,
					`retries_total{partition="1",pipeline="billing",source="",topic="orders"} 2`,
					`records_skipped_total{partition="1",pipeline="billing",source="",topic="orders"} 1`,
					`records_skipped_total{partition="0",pipeline="billing",source="",topic="orders"} 0`,
					`records_dead_lettered_total{partition="0",pipeline="billing",source="",topic="orders"} 0`,
					`step_duration_seconds_count{pipeline="billing",step="charge"} 8`,
					`step_duration_seconds_sum{pipeline="billing",step="charge"} 8`,
					`running{pipeline="billing"} 1`, `ready{pipeline="billing"} 1`,
					`unreadable{partition="1",pipeline="billing",source="",topic="orders"} 0`, `partitions_assigned_total{pipeline="billing"} 2`,
				)
			})
			exposes(t, r, `running{pipeline="billing"} 0`, `records_handled_total{partition="1",pipeline="billing",source="",topic="orders"} 4`)
		})
	})
	t.Run("tell a pause from a halt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			s := opstest.Orders.GroupByKey().Concurrent(1, opstest.Failing(nil)).CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(prommetrics.To(r)), stream.Named("billing")}, func(p *stream.Pipeline) {
				q := p.Snapshot().Partitions[0]
				if err := p.Pause(q.TopicPartition, q.Epoch, "olaf", time.Time{}); err != nil {
					t.Fatal(err)
				}
				exposes(t, r, `halted{partition="0",pipeline="billing",source="",topic="orders"} 0`, `paused{partition="0",pipeline="billing",source="",topic="orders"} 1`)
			})
		})
	})
	t.Run("show a degree and a rate that were set beside those that were built", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			s := opstest.Orders.GroupByKey().Throttle(50, 1).Concurrent(8, opstest.Failing(nil), stream.Named("charge")).CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(prommetrics.To(r)), stream.Named("billing")}, func(p *stream.Pipeline) {
				opstest.Pass(time.Second)
				built := []string{`step_degree_built{pipeline="billing",step="charge"} 8`, `rate_limit_built{pipeline="billing",step="throttle"} 50`}
				exposes(t, r, append(built, `step_degree{pipeline="billing",step="charge"} 8`, `rate_limit{pipeline="billing",step="throttle"} 50`)...)
				if err := errors.Join(p.SetDegree("charge", 8, 2), p.SetRate("", 0, 7), p.SetRate("throttle", 50, 0)); err != nil {
					t.Fatal(err)
				}
				exposes(t, r, append(built, `step_degree{pipeline="billing",step="charge"} 2`, `rate_limit{pipeline="billing",step=""} 7`)...)
				if n := testutil.CollectAndCount(r, "laneway_rate_limit"); n != 1 {
					t.Errorf("%d rate limits are exposed, want that of the pipeline alone", n)
				}
			})
		})
	})
	t.Run("say what blocks a partition, and nothing of one that moves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 2), prometheus.NewRegistry()
			opstest.Put(l, 0, "a", "bad", "c")
			opstest.Put(l, 1, "a")
			work := opstest.Failing(map[string]int{"bad": 2})
			s := opstest.Orders.GroupByKey().Concurrent(1, work, stream.Named("charge")).RetryOnError(opstest.Retries(3)).CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(prommetrics.To(r)), stream.Named("billing")}, func(*stream.Pipeline) {
				blocked := func(want int) {
					t.Helper()
					if n, err := testutil.GatherAndCount(r, "laneway_blocked_seconds"); n != want || err != nil {
						t.Errorf("%d series, want %d; %v", n, want, err)
					}
				}
				blocked(0)
				opstest.Pass(30 * time.Second)
				blocked(0) // it has moved since the scrape before
				opstest.Pass(50 * time.Second)
				exposes(t, r, `blocked_seconds{cause="retry",partition="0",pipeline="billing",source="",topic="orders"} 80`)
				blocked(1)
				opstest.Pass(time.Hour)
				blocked(0)
				blocked(0)
			})
		})
	})
	t.Run("follow Prometheus's conventions", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			opstest.Put(l, 0, "a")
			opstest.Run(t, opstest.Orders.Batch(10, time.Second).Serial(func(context.Context, []kafka.Message) error { return nil }).CommitEach(),
				[]stream.Option{l.Source(), stream.Observe(prommetrics.To(r))}, func(*stream.Pipeline) {
					opstest.Pass(time.Minute)
					problems, err := testutil.GatherAndLint(r)
					if err != nil || len(problems) > 0 {
						t.Errorf("%v %v", err, problems)
					}
				})
		})
	})
	t.Run("measure batches", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			opstest.Put(l, 0, "a", "b", "c", "d", "e")
			opstest.Run(t, opstest.Orders.Batch(4, time.Second).Serial(func(context.Context, []kafka.Message) error { return nil }, stream.Named("write")).CommitEvery(4, time.Second),
				[]stream.Option{l.Source(), stream.Observe(prommetrics.To(r)), stream.Named("p")}, func(*stream.Pipeline) {
					opstest.Pass(time.Minute)
					exposes(t, r, `batch_size_records_count{pipeline="p",step="write"} 2`, `batch_size_records_sum{pipeline="p",step="write"} 5`,
						`step_duration_seconds_count{pipeline="p",step="write"} 2`, `commit_duration_seconds_count{pipeline="p"} 2`)
				})
		})
	})
	t.Run("count possible duplicates", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			opstest.Put(l, 0, "a", "b", "c")
			m := l.Member()
			opstest.Run(t, opstest.Orders.Serial(opstest.Failing(nil)).CommitEvery(2, 0, stream.ByCountOnly()), []stream.Option{m.Source(), stream.Observe(prommetrics.To(r)), stream.Named("p")}, func(*stream.Pipeline) {
				if err := m.Assign(0); err != nil {
					t.Fatal(err)
				}
				opstest.Pass(time.Minute)
				exposes(t, r, `uncommitted_records{partition="0",pipeline="p",source="",topic="orders"} 1`)
				if err := m.Lose(0); err != nil {
					t.Fatal(err)
				}
				exposes(t, r, `possible_duplicates_total{partition="0",pipeline="p",source="",topic="orders"} 1`, `partitions_lost_total{pipeline="p"} 1`)
			})
		})
	})
	t.Run("count overrunning handlers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			opstest.Put(l, 0, "a")
			s := opstest.Orders.Serial(func(context.Context, kafka.Message) error { time.Sleep(time.Minute); return nil },
				stream.Named("charge"), stream.Timeout(time.Second)).HaltOnError().CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(prommetrics.To(r)), stream.Named("billing")}, func(*stream.Pipeline) {
				opstest.Pass(3 * time.Second)
				exposes(t, r, `overrunning_handlers{pipeline="billing"} 1`, `step_overruns_total{pipeline="billing",step="charge"} 1`)
				opstest.Pass(time.Minute)
				exposes(t, r, `overrunning_handlers{pipeline="billing"} 0`, `step_overruns_total{pipeline="billing",step="charge"} 1`)
			})
		})
	})
	t.Run("count postponed elements", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			opstest.Put(l, 0, "a", "b")
			s := opstest.Orders.GroupByKey().Concurrent(8, func(context.Context, kafka.Message) error {
				return stream.Postpone(opstest.ErrDown, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			}, stream.Named("charge")).HaltOnError().CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(prommetrics.To(r)), stream.Named("billing")}, func(*stream.Pipeline) {
				opstest.Pass(time.Hour)
				exposes(t, r, `postponed{pipeline="billing"} 2`,
					`step_postponed_total{pipeline="billing",step="charge"} 2`,
					`step_attempts_failed_total{pipeline="billing",step="charge"} 0`)
			})
		})
	})
	t.Run("time a fast step by sample", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const n = 100_000
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			l.Append(0, "", make([]kafka.Message, n)...)
			// 100,000 per second
			quick := func(context.Context, kafka.Message) error { time.Sleep(10 * time.Microsecond); return nil }
			opstest.Run(t, opstest.Orders.Serial(quick, stream.Named("quick")).CommitEvery(n, 0, stream.ByCountOnly()), []stream.Option{l.Source(), stream.Observe(prommetrics.To(r)), stream.Named("p")},
				func(*stream.Pipeline) {
					opstest.Pass(time.Minute)
					exposes(t, r, fmt.Sprintf(`records_handled_total{partition="0",pipeline="p",source="",topic="orders"} %d`, n))
					ms, err := r.Gather()
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range ms {
						if m.GetName() == "laneway_step_duration_seconds" {
							if timed := m.Metric[0].Histogram.GetSampleCount(); timed < 500 || timed > 5000 {
								t.Errorf("%d of %d attempts were timed", timed, n)
							}
						}
					}
				})
		})
	})
}

func TestCounters(t *testing.T) {
	t.Run("never fall", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 1), prometheus.NewRegistry()
			m := l.Member()
			handled := func(n int) {
				t.Helper()
				exposes(t, r, fmt.Sprintf(`records_handled_total{partition="0",pipeline="p",source="",topic="orders"} %d`, n))
			}
			opstest.Run(t, opstest.Orders.Serial(opstest.Failing(nil)).CommitEach(), []stream.Option{m.Source(), stream.Observe(prommetrics.To(r)), stream.Named("p")}, func(*stream.Pipeline) {
				for n := range 3 {
					if err := m.Assign(0); err != nil {
						t.Fatal(err)
					}
					opstest.Put(l, 0, "a", "b")
					opstest.Pass(time.Minute)
					handled(2*n + 2)
					if err := m.Revoke(0, 0); err != nil {
						t.Fatal(err)
					}
					handled(2*n + 2)
				}
			})
			handled(6)
		})
	})
	t.Run("continue in the next run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := prometheus.NewRegistry()
			p, err := source.Slice(kafka.Message{}, kafka.Message{}).Serial(opstest.Failing(nil)).CommitEach().Build(stream.Observe(prommetrics.To(r)), stream.Named("p"))
			if err != nil {
				t.Fatal(err)
			}
			handled := func(n int) {
				exposes(t, r, fmt.Sprintf(`records_handled_total{partition="0",pipeline="p",source="",topic="slice"} %d`, n))
			}
			for n := range 2 {
				time.AfterFunc(1500*time.Millisecond, func() { handled(2*n + 1) }) // one of two is done
				if err := p.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				handled(2*n + 2)
			}
		})
	})
	t.Run("add up over pipelines of one name", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 2), prometheus.NewRegistry()
			opstest.Put(l, 0, "a")
			opstest.Put(l, 1, "a", "b")
			one, two := l.Member(), l.Member()
			worker := opstest.Orders.Serial(opstest.Failing(nil)).CommitEach()
			opstest.Run(t, worker, []stream.Option{one.Source(), stream.Observe(prommetrics.To(r)), stream.Named("p")}, func(*stream.Pipeline) {
				opstest.Run(t, worker, []stream.Option{two.Source(), stream.Observe(prommetrics.To(r)), stream.Named("p")}, func(*stream.Pipeline) {
					if err := one.Assign(0); err != nil {
						t.Fatal(err)
					}
					if err := two.Assign(1); err != nil {
						t.Fatal(err)
					}
					opstest.Pass(time.Minute)
					exposes(t, r, `records_handled_total{partition="0",pipeline="p",source="",topic="orders"} 1`, `records_handled_total{partition="1",pipeline="p",source="",topic="orders"} 2`,
						`running{pipeline="p"} 2`)
				})
			})
		})
	})
}

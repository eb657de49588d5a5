package admin_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestRead(t *testing.T) {
	t.Run("tells what a pipeline is made of, and how it stands", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			var body struct {
				Pipelines []struct {
					ID             string
					Running, Ready bool
					Topology       struct {
						Guarantee, Text string
						Stages          []struct {
							Steps []struct {
								Name     string
								Policies []string
							}
						}
					}
				}
			}
			w.get("/v1/pipelines", "", &body)
			p := body.Pipelines[0]
			if p.ID != "billing" || !p.Running || !p.Ready || !strings.Contains(p.Topology.Guarantee, "at least once") {
				t.Errorf("pipeline: %+v", p)
			}
			step := p.Topology.Stages[0].Steps[0]
			if step.Name != "charge" || fmt.Sprint(step.Policies) != "[halt the partition]" || p.Topology.Text != w.p.Describe().String() {
				t.Errorf("topology: %+v", p.Topology)
			}
		})
	})
	t.Run("tells how partitions stand, and why", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			var body struct {
				Partitions []struct {
					Topic, State, Cause, Why string
					Partition                int
					Committed, Lag, End      *int64
					InFlight                 int
					Bytes                    int64
					Room                     struct {
						Records, MaxRecords int
						Bytes, MaxBytes     int64
					}
				}
			}
			w.get("/v1/pipelines/billing/partitions", "", &body)
			p, q := body.Partitions[0], body.Partitions[1]
			if p.State != "halted" || p.Cause != "halt" || !strings.HasPrefix(p.Why, "orders[0] is halted by charge") || *p.Committed != 1 || *p.Lag != 2 {
				t.Errorf("orders[0]: %+v", p)
			}
			if q.State != "open" || q.Cause != "idle" || *q.Lag != 0 {
				t.Errorf("orders[1]: %+v", q)
			}
			budget := w.p.Explain(stream.TopicPartition{Topic: "orders", Partition: 0}).Room
			if r := p.Room; r.MaxRecords != 4096 || r.Records != r.MaxRecords-p.InFlight || r.MaxBytes != budget.MaxBytes || r.Bytes != r.MaxBytes-p.Bytes || p.InFlight == 0 {
				t.Errorf("orders[0]: %+v, want the budget %+v", p, budget)
			}
		})
	})
	t.Run("explains a partition in the words of Explain", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			var body struct {
				Text, Cause string
				Record      struct {
					Offset int64
					Key    string
				}
			}
			w.get("/v1/pipelines/billing/partitions/orders/0", reads, &body)
			if body.Cause != "halt" || !strings.Contains(body.Text, "fix the cause and Resume, or Skip") || body.Record.Offset != 1 || body.Record.Key != "key-bad" {
				t.Errorf("explanation: %+v", body)
			}
		})
	})
	t.Run("explains a partition whose record is of any year", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var ms dated
			for i, at := range []int64{math.MinInt64, -1e15, math.MaxInt64} {
				ms = append(ms, kafka.Message{Topic: "orders", Offset: int64(i), Time: time.UnixMilli(at)})
			}
			chain := stream.From(func() stream.Source[kafka.Message] { return ms })
			p, err := chain.Serial(func(context.Context, kafka.Message) error { return errors.New(bad) }).HaltOnError().CommitEach().Build(stream.Named("billing"), stream.Observe())
			must(t, err)
			h, err := admin.Local([]*stream.Pipeline{p}, nil, tokens...)
			must(t, err)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- p.Run(ctx) }()
			for offset := range int64(3) {
				synctest.Wait()
				var body struct{ Record struct{ Offset int64 } }
				desk{t, h}.get("/v1/pipelines/billing/partitions/orders/0", reads, &body)
				if body.Record.Offset != offset {
					t.Errorf("explanation: %+v", body)
				}
				must(t, p.Skip(p.Halts()[0]))
			}
			stop()
			must(t, <-ended)
		})
	})
	t.Run("lists halts with what Resume and Skip will do", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			hs := w.halts(reads)
			if len(hs) != 1 {
				t.Fatalf("halts: %+v", hs)
			}
			h := hs[0]
			if h.Pipeline != "billing" || h.Topic != "orders" || h.Offset != 1 || h.Step != "charge" || h.Key != "key-bad" || h.Choose ||
				h.Error != "charging bad: down" || h.Resume != "Retries orders[0]@1. What has finished is not run again." ||
				h.Skip != "Gives up orders[0]@1: it counts as done, and nobody processes it." {
				t.Errorf("halt: %+v", h)
			}
		})
	})
	t.Run("lists parked lanes, whose key only a token shows, and releases them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, bad, "a")
			p, err := opstest.Orders.GroupByKey().Concurrent(2, opstest.Failing(map[string]int{bad: 1}), stream.Named("charge")).ParkOnError().CommitEach().
				Build(l.Source(), stream.Observe(), stream.Named("billing"), stream.BuildID(""))
			must(t, err)
			h, err := admin.Local([]*stream.Pipeline{p}, nil, tokens...)
			must(t, err)
			d := desk{t, h}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- p.Run(ctx) }()
			opstest.Pass(time.Minute)
			hs := d.halts("")
			if len(hs) != 1 || hs[0].Scope != "lane" || strings.Contains(hs[0].Text, "key-bad") || !strings.Contains(hs[0].Text, "has been parked") {
				t.Fatalf("halts: %+v", hs)
			}
			if with := d.halts(reads)[0]; with.Key != "key-bad" || !strings.Contains(with.Text, "key-bad") {
				t.Errorf("with a token: %+v", with)
			}
			if es := d.events(""); es[len(es)-1].Kind != "parked" || strings.Contains(es[len(es)-1].Text, "key-bad") {
				t.Errorf("events: %+v", es)
			}
			d.refuses(200, "", http.MethodPost, resume, operates, by(hs[0]))
			opstest.Pass(time.Minute)
			if l.Committed(0) != 2 {
				t.Errorf("committed %d", l.Committed(0))
			}
			stop()
			must(t, <-ended)
		})
	})
	t.Run("keeps the last events, and gives those after one", func(t *testing.T) {
		halted(t, 1, nil, func(w *worker) {
			var kinds []string
			es := w.events(reads)
			for _, e := range es {
				kinds = append(kinds, e.Kind)
			}
			if got := strings.Join(kinds, " "); got != "assigned assigned halted" {
				t.Errorf("events: %s", got)
			}
			if e := es[2]; e.Level != "error" || e.Pipeline != "billing" || *e.Offset != 1 || e.Key != "key-bad" || !strings.Contains(e.Text, "Resume retries the record") {
				t.Errorf("halted: %+v", e)
			}
			must(t, w.p.Resume(w.p.Halts()[0]))
			opstest.Pass(time.Minute)
			var body struct {
				Events []event
				Next   int64
			}
			w.get(fmt.Sprintf("/v1/events?after=%d", es[2].Seq), reads, &body)
			if len(body.Events) != 1 || body.Events[0].Kind != "resumed" || body.Next != body.Events[0].Seq {
				t.Errorf("afterwards: %+v", body.Events)
			}
			w.refuses(400, "after is a number that next gave", http.MethodGet, "/v1/events?after=", reads, "")
		})
	})
	t.Run("keeps what is rare when something repeats", func(t *testing.T) {
		halted(t, -1, []admin.Option{admin.Events(4)}, func(w *worker) {
			for range 10 {
				w.ask(http.MethodPost, "/v1/pipelines/billing/resume", operates, `{"halt":"none"}`)
			}
			if es := w.events(reads); len(es) != 4 || es[0].Seq != es[3].Seq-3 {
				t.Errorf("events: %+v", es)
			}
		})
	})
}

func TestPreview(t *testing.T) {
	path := func(w *worker) string { return "/v1/pipelines/billing/record?halt=" + w.halts(reads)[0].ID }
	type shown struct {
		Text      string
		Truncated bool
	}
	t.Run("is off unless asked for", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			w.refuses(404, "previews are off", http.MethodGet, path(w), operates, "")
		})
	})
	t.Run("shows the record to those with a token", func(t *testing.T) {
		halted(t, -1, []admin.Option{admin.Previews(nil)}, func(w *worker) {
			var s shown
			w.get(path(w), reads, &s)
			if s.Text != "bad" || s.Truncated {
				t.Errorf("preview: %+v", s)
			}
			w.refuses(401, "needs a token", http.MethodGet, path(w), "", "")
		})
	})
	t.Run("is redacted and bounded", func(t *testing.T) {
		redact := func(record any) string {
			return strings.Repeat("*", 5000) + string(record.(kafka.Message).Value)
		}
		halted(t, -1, []admin.Option{admin.Previews(redact)}, func(w *worker) {
			var s shown
			w.get(path(w), reads, &s)
			if !strings.HasPrefix(s.Text, "***") || strings.Contains(s.Text, bad) || len(s.Text) > 4100 || !s.Truncated {
				t.Errorf("preview: %+v", s)
			}
		})
	})
	t.Run("survives a func that panics", func(t *testing.T) {
		halted(t, -1, []admin.Option{admin.Previews(func(any) string { panic("no order") })}, func(w *worker) {
			w.refuses(500, "no order", http.MethodGet, path(w), reads, "")
		})
	})
}

// dated is a partition of messages with times of their own.
type dated []kafka.Message

func (dated) Info() stream.SourceInfo                                                 { return stream.SourceInfo{} }
func (dated) Commit(context.Context, map[stream.TopicPartition]stream.Position) error { return nil }

func (ms dated) Run(ctx context.Context, in *stream.Intake[kafka.Message]) error {
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "orders"}, Committed: -1})
	if err != nil {
		return err
	}
	ps[0].Feed(ms, source.Lineage(ms), int64(len(ms)), 1)
	<-ctx.Done()
	in.Revoke(ctx, ps...)
	return nil
}

package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
	"github.com/segmentio/kafka-go"
)

type odd struct {
	F func()
	N float64
}

func TestZZJSON(t *testing.T) {
	for name, ts := range map[string]time.Time{"neg": time.UnixMilli(-1_000_000_000_000_000), "far": time.UnixMilli(math.MaxInt64), "min": time.UnixMilli(math.MinInt64)} {
		t.Run(name, func(t *testing.T) {
			f := stream.Failure{Meta: stream.Meta{Topic: "t", Time: ts}, Err: errors.New("\xff bad")}
			b, err := json.Marshal(stream.Halt{Failure: f})
			t.Log(string(b), err)
			if err != nil {
				t.Error(err)
			}
		})
	}
	for name, v := range map[string]any{"func": odd{F: func() {}}, "nan": math.NaN(), "chan": make(chan int), "map": map[any]any{1: 2}} {
		t.Run(name, func(t *testing.T) {
			f := stream.Failure{Meta: stream.Meta{Topic: "t"}, Err: errors.New("bad"), Value: v}
			_, err := json.Marshal(stream.Halt{Failure: f})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestZZAdmin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.Kafka("orders", 1)
		log.Append(0, "\xff", kafka.Message{Value: []byte("\xfe"), Time: time.UnixMilli(-1_000_000_000_000_000)})
		p, err := stream.From[kafka.Message](nil).GroupByKey().Concurrent(2, func(context.Context, kafka.Message) error { return errors.New("no \xff") }, stream.Named("a\xff")).HaltOnError().CommitEvery(1, 0).
			Build(log.Source(), stream.Named("b\xff"))
		if err != nil {
			t.Fatal(err)
		}
		r := prometheus.NewRegistry()
		_, _ = r, prommetrics.To
		h, err := admin.Handler([]*stream.Pipeline{p})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		for _, path := range []string{"/api/v1/halts", "/api/v1/pipelines", "/api/v1/events"} {
			req := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			t.Log(path, w.Code, w.Body.String())
		}
		cancel()
		<-done
	})
}

func TestZZProm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := prometheus.NewRegistry()
		ob := prommetrics.To(r)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 9)
		for range 2 {
			log := streamtest.Kafka("orders", 1)
			log.Append(0, "\xff", kafka.Message{Value: []byte("\xfe")})
			p, err := stream.From[kafka.Message](nil).GroupByKey().Concurrent(2, func(context.Context, kafka.Message) error { return errors.New("no \xff") }, stream.Named("a\xff")).HaltOnError().CommitEvery(1, 0).
				Build(log.Source(), stream.Named("b\xff"), stream.Observe(ob))
			if err != nil {
				t.Fatal(err)
			}
			go func() { done <- p.Run(ctx) }()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		fs, err := r.Gather()
		t.Log(len(fs), err)
		if err != nil {
			t.Error(err)
		}
		cancel()
		<-done
		<-done
	})
}

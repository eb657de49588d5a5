package consoletest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// scene runs a worker in which much happens: two sources, two branches, orders that come all the
// time, one that halts its partition, and one that parks its key. It returns the address of its
// console.
func scene(t *testing.T) string {
	t.Helper()
	cluster := func(partitions int) *kafkatest.Kafka {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		k.TopicNamed("orders", partitions)
		return k
	}
	eu, us := cluster(3), cluster(2)
	takes := func(ctx context.Context, d time.Duration) error {
		timer := time.NewTimer(d/2 + rand.N(d))
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	decode := func(_ context.Context, m kafka.Message) (kafka.Message, error) { return m, nil }
	charge := func(ctx context.Context, m kafka.Message) (kafka.Message, error) {
		switch string(m.Value) {
		case "currency":
			return m, errors.New("the bank does not know the currency XAU: 422 Unprocessable Entity")
		case "busy":
			return m, fmt.Errorf("the bank was busy: %w", errors.New("429 Too Many Requests"))
		}
		return m, takes(ctx, 25*time.Millisecond)
	}
	fraud := func(m kafka.Message) bool { return string(m.Value) == "review" }
	audit := func(ctx context.Context, _ kafka.Message) error { return takes(ctx, 2*time.Millisecond) }
	review := func(ctx context.Context, m kafka.Message) error {
		if string(m.Key) == "customer 13" {
			return errors.New("the reviewers have no such customer")
		}
		return takes(ctx, 60*time.Millisecond)
	}
	orders := func(name string, k *kafkatest.Kafka) stream.Stream[kafka.Message] {
		return source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: "billing", Topics: []string{"orders"}}).As(name)
	}
	p, err := stream.Merge(orders("eu", eu).Map(decode, stream.Named("decode")), orders("us", us).Map(decode, stream.Named("convert"))).
		GroupByKey().
		AlsoTo(func(s stream.Stream[kafka.Message]) stream.Stream[kafka.Message] {
			return s.Concurrent(8, audit, stream.Named("log")).RetryOnError(stream.RetryPolicy{})
		}, stream.Named("audited")).
		DivertTo(fraud, func(s stream.Stream[kafka.Message]) stream.Stream[kafka.Message] {
			return s.Concurrent(4, review, stream.Named("review")).ParkOnError()
		}, stream.Named("fraud")).
		MapConcurrent(16, charge, stream.Named("charge")).
		RetryOnError(stream.RetryPolicy{}, stream.When(func(err error) bool { return strings.Contains(err.Error(), "busy") })).
		HaltOnError().
		To(sink.Func(func(ctx context.Context, _ []stream.Out[kafka.Message]) error { return takes(ctx, 4*time.Millisecond) }), stream.Named("invoices")).
		RetryOnError(stream.RetryPolicy{}).
		CommitEvery(100, 100*time.Millisecond).
		Build(stream.Named("billing"), stream.BuildID("v41"), stream.Observe())
	must(t, err)
	url, _ := supervise(t, p)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() { stop(); <-ended })
	go func() {
		defer close(ended)
		for i := 0; takes(ctx, 4*time.Millisecond) == nil; i++ {
			value := "order"
			switch {
			case i == 60:
				value = "currency"
			case i == 80:
				value = "busy"
			case i%19 == 0:
				value = "review"
			}
			log, part := eu, i%3
			if i%5 < 2 {
				log, part = us, i%2
			}
			log.Client.Produce(ctx, &kgo.Record{Topic: "orders", Partition: int32(part), Key: fmt.Append(nil, "customer ", i%40), Value: []byte(value)}, nil)
		}
	}()
	return url
}

func TestScene(t *testing.T) {
	t.Parallel()
	url := scene(t)
	b := open(t, url)
	b.shows("#problems", "the bank does not know the currency XAU")
	b.shows("#problems", "the reviewers have no such customer")
	b.shows("#flows", "1 halted here")
	b.click("#sign")
	b.signIn(operates)
	b.shows("#problems", "key customer 13")

	t.Run("draws sources, stages and branches as they pass elements on", func(t *testing.T) {
		b.t = t
		columns := `[...document.querySelectorAll(".chain .column")].map((c) => [...c.children].map((box) => box.querySelector("strong").innerText).join(", "))`
		got := strings.Join(eval[[]string](b, columns), " → ")
		if want := "eu, us → decode → invoices, branch audited, branch fraud"; got != want {
			t.Errorf("the picture is %s, want %s", got, want)
		}
		if n := eval[int](b, `document.querySelectorAll(".chain path.head").length`); n != 5 {
			t.Errorf("%d arrows", n)
		}
	})
	t.Run("tells the rate and the latency of each step", func(t *testing.T) {
		b.t = t
		for _, step := range []string{"decode", "charge", "log", "review", "invoices"} {
			b.until("the numbers of "+step, fmt.Sprintf(`/\d.*\/s · .*s, 99 %% within .*s/.test(document.querySelector('.step[data-step="%s"] .work').innerText)`, step))
		}
	})
	if dir := os.Getenv("LANEWAY_SCREENSHOTS"); dir != "" { // the picture of README.md
		b.until("the charts to show something", `document.querySelector(".rate polyline").getAttribute("points").split(" ").length > 5`)
		height := eval[float64](b, `document.activeElement.blur(), document.querySelector(".flow").getBoundingClientRect().bottom + 16`)
		b.do(chromedp.EmulateViewport(1280, int64(height)))
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "console.png"), png, 0o644))
	}
	t.Run("lists the keys of a partition, and parks one", func(t *testing.T) {
		b.t = t
		where := eval[string](b, `document.querySelector("#problems li h3").innerText.match(/\S+\[\d\]/)[0]`)
		b.click(`#partitions button[aria-label="Explain ` + where + `"]`)
		b.shows("#keys-title", "Keys with unfinished records")
		b.shows("#keys-rows", "customer ")
		b.accessible("with an explanation")
		b.picture("keys")
		b.click("#keys-rows button")
		b.shows("#asking-title", "Park the key customer ")
		b.click("#asking-ok")
		b.shows("#result", "is parked until Resume")
	})
	t.Run("has no violation of axe-core, light and dark, wide and narrow", func(t *testing.T) {
		b.t = t
		for _, width := range []int64{1280, 1150, 1000, 375} {
			opts := []chromedp.EmulateViewportOption{}
			if width < 500 {
				opts = append(opts, chromedp.EmulateMobile)
			}
			b.do(chromedp.EmulateViewport(width, 900, opts...))
			for _, scheme := range []string{"light", "dark"} {
				b.scheme(scheme)
				b.accessible(fmt.Sprintf("in the %s, %d wide", scheme, width))
				b.picture(fmt.Sprintf("scene-%s-%d", scheme, width))
				if wide := eval[int64](b, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("the page is %d wide", wide)
				}
			}
		}
	})
}

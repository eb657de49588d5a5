package consoletest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// It is 3 a.m. An alert says that orders[3] does not move.
func TestNight(t *testing.T) {
	t.Parallel()
	tool(t, "chromium")
	prometheus := tool(t, "prometheus")
	laneway := command(t)
	for name, replicas := range map[string]int{"one replica": 1, "three replicas": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onCall(t, prometheus, laneway, replicas)
		})
	}
}

// onCall goes from the alert to its end. Whoever is on call does not know which replica has the
// partition, and asks the first.
func onCall(t *testing.T, prometheus string, laneway func(t *testing.T, args ...string) string, replicas int) {
	pager, w := carryPager(t), billing(t, replicas)
	pager.watch(prometheus, w.metrics...)
	w.produce("orders", 3, "1", "bad", "2")

	page := pager.next(pager.fires, "LanewayPartitionHalted")
	if is := page.Annotations["summary"]; is != "orders[3] is halted in billing" {
		t.Errorf("the page says %q", is)
	}
	readRunbook(t, page.Annotations["runbook_url"])

	why := laneway(t, append([]string{"explain"}, w.at...)...)
	for _, part := range []string{"orders[3] is halted by charge", "the bank does not know bad", "laneway resume "} {
		if !strings.Contains(why, part) {
			t.Errorf("laneway explain does not say %q:\n%s", part, why)
		}
	}

	w.mended.Store(true)
	b := open(t, w.console)
	b.shows("#problems", "the bank does not know bad")
	b.click(`button[aria-label="Resume orders[3]"]`)
	b.signIn(operates)
	b.shows("#result", "orders[3] continues")

	if page := pager.next(pager.resolves, "LanewayPartitionHalted"); page.Labels["partition"] != "3" {
		t.Errorf("resolved: %v", page.Labels)
	}
	b.shows("#well", "Nothing is")
	b.until("the page to show the commit", `[...document.querySelectorAll("#partitions tr")].some((e) => e.innerText.includes("orders[3]") && e.querySelector(".committed").innerText === "3")`)
	if at := w.Committed("billing", "orders"); at[3] != 3 {
		t.Errorf("committed: %v", at)
	}
}

// readRunbook follows the link of an alert: to a heading of the page in the repository, and of the
// site, if LANEWAY_SITE is the folder of one that `make site` has built.
func readRunbook(t *testing.T, link string) {
	t.Helper()
	const here = "https://github.com/laneway-go/laneway/blob/main/"
	name, anchor, _ := strings.Cut(strings.TrimPrefix(link, here), "#")
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatalf("the page links to %s: %v", link, err)
	}
	headings := regexp.MustCompile(`(?m)^#+ (\w+)$`).FindAllStringSubmatch(string(text), -1)
	if !slices.ContainsFunc(headings, func(m []string) bool { return strings.ToLower(m[1]) == anchor }) {
		t.Errorf("the page links to %s, and %s has no such heading", link, name)
	}
	site := os.Getenv("LANEWAY_SITE")
	if site == "" {
		return
	}
	built, err := filepath.Abs(filepath.Join(site, strings.TrimSuffix(filepath.Base(name), ".md")+".html"))
	must(t, err)
	b := open(t, "file://"+built+"#"+anchor)
	b.shows(":target", "LanewayPartitionHalted")
	b.picture("runbook")
}

// command builds cmd/laneway, and returns what runs it and tells what it has written.
func command(t *testing.T) func(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "laneway")
	build := exec.Command("go", "build", "-o", path, "./cmd/laneway")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	return func(t *testing.T, args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), path, args...)
		c.Env = append(os.Environ(), "LANEWAY_TOKEN="+reads)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", c, err, out)
		}
		return string(out)
	}
}

// night is the replicas of a worker that bills orders: on a Kafka in this process, measured for
// Prometheus, with consoles.
type night struct {
	*kafkatest.Kafka
	t       *testing.T
	metrics []string // addresses
	at      []string // the flags of laneway
	console string   // of the first replica
	mended  atomic.Bool
}

func billing(t *testing.T, replicas int) *night {
	t.Helper()
	n := &night{Kafka: kafkatest.At(t, kafkatest.Fake(t).ListenAddrs()), t: t}
	n.TopicNamed("orders", 4)
	charge := func(_ context.Context, m kafka.Message) error {
		if string(m.Value) == "bad" && !n.mended.Load() {
			return fmt.Errorf("the bank does not know %s", m.Value)
		}
		return nil
	}
	changed := make(chan struct{}, 1)
	assignments := stream.Observer{Event: func(e stream.Event) {
		switch e.(type) {
		case stream.Assigned, stream.Revoked:
			select {
			case changed <- struct{}{}:
			default: // a look follows anyway
			}
		}
	}}
	var all []*stream.Pipeline
	peers := make([]string, replicas)
	for i := range replicas {
		registry := prometheus.NewRegistry()
		p, err := source.Kafka(source.KafkaConfig{Brokers: n.Brokers, Group: "billing", Topics: []string{"orders"}}).
			GroupByKey().
			Concurrent(8, charge, stream.Named("charge")).
			HaltOnError().
			CommitEach().
			Build(stream.Named("billing"), stream.Observe(prommetrics.To(registry), assignments))
		must(t, err)
		metrics := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
		t.Cleanup(metrics.Close)
		n.metrics = append(n.metrics, metrics.Listener.Addr().String())
		all = append(all, p)
		url, _ := supervise(t, p, admin.Peers(peers...))
		peers[i] = strings.TrimPrefix(url, "http://")
		n.at = append(n.at, "--at", peers[i])
		if i == 0 {
			n.console = url
		}
	}
	for late := time.After(time.Minute); !shared(all, 4); {
		select {
		case <-changed:
		case <-late:
			t.Fatal("the group has not shared its partitions out for a minute")
		}
	}
	return n
}

// shared reports whether each of the pipelines has partitions, and together they have all.
func shared(ps []*stream.Pipeline, partitions int) bool {
	for _, p := range ps {
		has := len(p.Snapshot().Partitions)
		if has == 0 {
			return false
		}
		partitions -= has
	}
	return partitions == 0
}

func (n *night) produce(topic string, partition int32, values ...string) {
	n.t.Helper()
	for _, v := range values {
		must(n.t, n.Client.ProduceSync(n.t.Context(), &kgo.Record{Topic: topic, Partition: partition, Key: []byte("customer 7"), Value: []byte(v)}).FirstErr())
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestQuickstartShowsWhatReadmePromises runs the program as README's first command does, with fewer orders.
func TestQuickstartShowsWhatReadmePromises(t *testing.T) {
	t.Setenv("KAFKA_BROKERS", "")
	showsWhatReadmePromises(t)
}

func TestQuickstartOnRealKafka(t *testing.T) {
	if os.Getenv("KAFKA_BROKERS") == "" {
		if os.Getenv("LANEWAY_REQUIRE_KAFKA") != "" {
			t.Fatal("KAFKA_BROKERS is not set, and this test may not be skipped")
		}
		t.Skip("KAFKA_BROKERS is not set: run it as .ci/kafka run 4.3.1 -- go test -run RealKafka ./examples/...")
	}
	topic := showsWhatReadmePromises(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(os.Getenv("KAFKA_BROKERS"), ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for { // a broker may know a topic for a moment after it was deleted
		resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client) // of all topics
		if err != nil {
			t.Fatalf("%s was not removed: %v", topic, err)
		}
		all := len(resp.Topics) > 0 // at least the brokers' own, of committed offsets
		if all && !slices.ContainsFunc(resp.Topics, func(known kmsg.MetadataResponseTopic) bool { return *known.Topic == topic }) {
			return
		}
	}
}

// showsWhatReadmePromises returns the topic of the run.
func showsWhatReadmePromises(t *testing.T) (topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	var out bytes.Buffer
	if err := demo(ctx, newScreen(&out), 2500); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, line := range []string{
		`retry    charge: orders-\w+\[\d\]@\d+ failed after 1 attempt: the bank was busy; again in`,
		`halted   charge: orders-\w+\[\d\]@\d+ failed after 3 attempts: the bank does not know this currency`,
		`Halts\(\)  orders-\w+\[\d\] is halted since`,
		`resumed  orders-\w+\[\d\] goes on from \d+`,
		`ok  records    2500 of 2500 orders were charged, 0 of them twice`,
		`ok  order      each of 250 customers' orders`,
		`ok  retried    12 of 12`,
		`ok  halted     orders-\w+\[\d\]@\d+ failed 3 times`,
		`ok  resumed    when the cause was mended`,
		`ok  committed  read back from the broker: lag 0`,
	} {
		if !regexp.MustCompile(line).Match(out.Bytes()) {
			t.Errorf("it does not say %q:\n%s", line, &out)
		}
	}
	_, table, _ := strings.Cut(out.String(), "partition  records  committed  lag\n")
	rows, sum := strings.Split(strings.TrimSpace(table), "\n"), 0
	for n, row := range rows {
		var part, records, committed, lag int
		if _, err := fmt.Sscan(row, &part, &records, &committed, &lag); err != nil || part != n || committed != records || lag != 0 {
			t.Errorf("partition %d: %q, want all its records committed: %v", n, row, err)
		}
		sum += records
	}
	if len(rows) != partitions || sum != 2500 {
		t.Errorf("%d partitions with %d records, want %d with 2500:\n%s", len(rows), sum, partitions, table)
	}
	return regexp.MustCompile(`orders-\w+`).FindString(out.String())
}

// TestQuickstartFailsWhenItIsStopped holds the exit code: a demonstration that could not be finished must not look like one that was.
func TestQuickstartFailsWhenItIsStopped(t *testing.T) {
	t.Setenv("KAFKA_BROKERS", "")
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	s := newScreen(writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("halted   charge")) {
			cancel()
		}
		return out.Write(b)
	}))
	if err := demo(ctx, s, 2500); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "orders were charged, before") {
		t.Errorf("ended in the middle, it returned %v:\n%s", err, &out)
	}
}

// TestReportNamesWhatDoesNotHold holds the other half of the exit code.
func TestReportNamesWhatDoesNotHold(t *testing.T) {
	records, err := makeOrders("orders", 100)
	if err != nil {
		t.Fatal(err)
	}
	b := newBank(100)
	b.charged[1], b.outOfOrder = 2, []string{"customer-001's order 3 came where 2 was due"}
	r := &report{bank: b, poison: records[9], placed: map[int]int{0: 100}, ends: map[int]int64{0: 100}, committed: map[int]int64{0: 40}}
	var out bytes.Buffer
	err = r.print(newScreen(&out))
	if err == nil || !strings.HasSuffix(err.Error(), "records, order, retried, halted, resumed, committed") {
		t.Errorf("everything is wrong, it says: %v\n%s", err, &out)
	}
	for _, line := range []string{"1 of 100 orders were charged, 1 of them twice", "customer-001's order 3 came where 2 was due", "lag 60"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("it does not say %q:\n%s", line, &out)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) { demotest.Main(m, quickstart(0)) }

func TestQuickstart(t *testing.T) {
	// The program runs like README's first command, with fewer orders.
	t.Run("shows what README promises", func(t *testing.T) {
		showsWhatReadmePromises(t, nil)
	})
	// The exit code must tell a finished demonstration from a stopped one.
	t.Run("fails when it is stopped", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		screen := writerFunc(func(b []byte) (int, error) {
			if bytes.Contains(b, []byte("halted   charge")) {
				cancel()
			}
			return out.Write(b)
		})
		err := quickstart(2500).Demonstrate(ctx, screen, nil, false, "")
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "orders were charged, before") {
			t.Errorf("stopped in the middle, it returned %v:\n%s", err, &out)
		}
	})
	// A failed check must make the exit code 1.
	t.Run("reports failed checks", func(t *testing.T) {
		records, err := makeOrders(100)
		if err != nil {
			t.Fatal(err)
		}
		b := newBank(100)
		b.charged[1], b.outOfOrder = 2, []string{"customer-001's order 3 came where 2 was due"}
		r := &report{bank: b, poison: records[9], placed: map[int]int{0: 100}, ends: map[int]int64{0: 100}, committed: map[int]int64{0: 40}}
		var out strings.Builder
		r.check(func(name string, ok bool, format string, args ...any) {
			if ok {
				t.Errorf("%s passed", name)
			}
			fmt.Fprintf(&out, format+"\n", args...)
		})
		for _, line := range []string{"1 of 100 orders were charged, 1 of them twice", "customer-001's order 3 came where 2 was due", "lag 60"} {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%q is not in:\n%s", line, &out)
			}
		}
	})
}

func TestQuickstartRealKafka(t *testing.T) {
	brokers := kafkatest.Real(t)
	topic := showsWhatReadmePromises(t, brokers)
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for { // brokers may know a topic for a moment after it was deleted
		resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client) // of all topics
		if err != nil {
			t.Fatalf("%s was not removed: %v", topic, err)
		}
		all := len(resp.Topics) > 0 // at least the brokers' own topic of offsets
		if all && !slices.ContainsFunc(resp.Topics, func(known kmsg.MetadataResponseTopic) bool { return *known.Topic == topic }) {
			return
		}
	}
}

// showsWhatReadmePromises returns the topic of the run.
func showsWhatReadmePromises(t *testing.T, brokers []string) (topic string) {
	t.Helper()
	out := demotest.Run(t, quickstart(2500), brokers,
		`retry    charge: orders-\w+\[\d\]@\d+ failed after 1 attempt: the bank was busy; again in`,
		`halted   charge: orders-\w+\[\d\]@\d+ failed after 1 attempt: the bank does not know this currency`,
		`Halts\(\)  orders-\w+\[\d\] has been halted since`,
		`resumed  orders-\w+\[\d\] continues from \d+`,
		`ok  records    2500 of 2500 orders were charged, 0 of them twice`,
		`ok  order      each of 250 customers' orders`,
		`ok  retried    12 of 12`,
		`ok  halted     orders-\w+\[\d\]@\d+ failed for good`,
		`ok  resumed    when the cause was fixed`,
		`ok  committed  read back from the broker: lag 0`,
	)
	_, table, _ := strings.Cut(out, "partition  records  committed  lag\n")
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
	return regexp.MustCompile(`orders-\w+`).FindString(out)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

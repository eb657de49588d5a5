package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

func TestMain(m *testing.M) {
	if testbed.Serve() || serve() {
		return
	}
	os.Exit(m.Run())
}

func TestPeers(t *testing.T) {
	// Few records: this shows that the peers work, not how fast they are.
	t.Run("do every work", func(t *testing.T) {
		t.Setenv("KAFKA_BROKERS", "")
		var out bytes.Buffer
		r := run{rounds: 1, records: 4000, warm: 100 * time.Millisecond, during: 300 * time.Millisecond, works: []string{"W1", "zipf", "W2", "W3", "half"}}
		if err := r.all(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		tables := strings.Split(out.String(), "\n**")
		if len(tables) != 1+len(r.works) {
			t.Fatalf("%d tables, want %d:\n%s", len(tables)-1, len(r.works), out.String())
		}
		for _, p := range peers {
			for _, table := range tables[1:] {
				_, row, ok := strings.Cut(table, "\n| "+p.name)
				row, _, _ = strings.Cut(row, "\n")
				switch {
				case !ok && p.byKey && strings.HasPrefix(table, "W1"):
				case !ok:
					t.Errorf("%s has no row in %s", p.name, table)
				case strings.HasPrefix(table, "W3"):
					if strings.Contains(row, "**yes**") || !strings.Contains(row, "| 0, ") {
						t.Errorf("%s must lose nothing: %s", p.name, row)
					}
				case !strings.HasSuffix(row, "| 0 | 0 |"):
					t.Errorf("%s: out of order, lost or repeated: %s", p.name, row)
				}
			}
		}
		if t.Failed() || testing.Verbose() {
			t.Log(out.String())
		}
	})
}

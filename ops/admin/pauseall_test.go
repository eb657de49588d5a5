package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
)

const pauseAll = "/v1/pipelines/billing/pause-all"

// seen is a partition of orders in an epoch.
func seen(partition int, epoch int32) string {
	return fmt.Sprintf(`{"topic":"orders","partition":%d,"epoch":%d}`, partition, epoch)
}

// all is the body that names partitions, with more fields.
func all(partitions []string, more string) string {
	return `{"partitions":[` + strings.Join(partitions, ",") + `]` + more + `}`
}

// saw is each partition of the worker in its epoch.
func (w *worker) saw() (ps []string) {
	for _, q := range w.p.Snapshot().Partitions {
		ps = append(ps, seen(q.Partition, q.Epoch))
	}
	return ps
}

// pausing is what came of one partition.
type pausing struct {
	Topic, Halt, Text string
	Partition, Status int
}

func (d desk) pauseAll(body string) []pausing {
	d.t.Helper()
	status, text, _ := d.ask(http.MethodPost, pauseAll, operates, body)
	var answer struct{ Results []pausing }
	if must(d.t, json.Unmarshal([]byte(text), &answer)); status != http.StatusOK {
		d.t.Fatalf("pause-all: %d: %s", status, text)
	}
	return answer.Results
}

// isPaused compares what came of partitions.
func isPaused(t *testing.T, got, want []pausing) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("results: %+v", got)
	}
	for i, w := range want {
		if r := got[i]; r.Topic != "orders" || r.Partition != w.Partition || r.Status != w.Status || (r.Halt != "") != (w.Status == 200) || !strings.Contains(r.Text, w.Text) {
			t.Errorf("%d: %+v, want %+v", i, r, w)
		}
	}
}

func TestPauseAll(t *testing.T) {
	t.Run("pauses each partition, tells of each, and resume-many ends the pauses", func(t *testing.T) {
		var lines bytes.Buffer
		halted(t, 1, []admin.Option{admin.Logger(slog.New(slog.NewTextHandler(&lines, nil)))}, func(w *worker) {
			got := w.pauseAll(all(w.saw(), ""))
			isPaused(t, got, []pausing{{Partition: 0, Status: 200, Text: "orders[0] is paused until Resume, and survives rebalances and restarts"}, {Partition: 1, Status: 200, Text: "orders[1] is paused until Resume"}})
			for partition := range 2 {
				if line := fmt.Sprintf(`"admin change" by=olaf from=192.0.2.1:1234 change=pause pipeline=billing topic=orders partition=%d`, partition); strings.Count(lines.String(), line) != 1 {
					t.Errorf("no line %s in\n%s", line, &lines)
				}
			}
			if kept := slices.DeleteFunc(w.events(reads), func(e event) bool { return e.Kind != "pause" || e.By != "olaf" }); len(kept) != 2 {
				t.Errorf("events: %+v", kept)
			}
			w.refuses(200, "continues", http.MethodPost, resume, operates, by(w.halts("")[slices.IndexFunc(w.halts(""), func(h halt) bool { return h.By == "" })])) // of the record
			opstest.Put(w.log, 0, "d")
			opstest.Put(w.log, 1, "d")
			opstest.Pass(time.Minute)
			if w.log.Committed(0) != 3 || w.log.Committed(1) != 1 {
				t.Fatalf("while paused, committed %d and %d", w.log.Committed(0), w.log.Committed(1))
			}
			for _, r := range w.resumeMany(got[0].Halt, got[1].Halt) {
				if r.Status != 200 || !r.Done {
					t.Errorf("resume: %+v", r)
				}
			}
			opstest.Pass(time.Minute)
			if w.log.Committed(0) != 4 || w.log.Committed(1) != 2 {
				t.Errorf("committed %d and %d", w.log.Committed(0), w.log.Committed(1))
			}
		})
	})
	t.Run("pauses until a time", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			until := time.Now().Add(time.Hour).Format(time.RFC3339)
			for _, r := range w.pauseAll(all(w.saw(), fmt.Sprintf(`,"until":%q`, until))) {
				if !strings.Contains(r.Text, "until "+until+" or Resume") {
					t.Errorf("%+v", r)
				}
			}
			opstest.Pass(time.Hour + time.Second)
			if hs := w.halts(""); slices.ContainsFunc(hs, func(h halt) bool { return h.By != "" }) {
				t.Errorf("halts: %+v", hs)
			}
		})
	})
	t.Run("refuses each partition that is not as its caller saw it, and pauses the others", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			epoch := w.p.Snapshot().Partitions[0].Epoch
			isPaused(t, w.pauseAll(all([]string{seen(7, 1), seen(0, epoch+1)}, "")), []pausing{
				{Partition: 7, Status: 409, Text: "not assigned here in that epoch"},
				{Partition: 0, Status: 409, Text: "not assigned here in that epoch"},
				{Partition: 1, Status: 409, Text: "orders[1] is assigned here, and not in the body"}, // others would take it as paused
			})
			if len(w.halts("")) != 1 {
				t.Fatalf("halts: %+v", w.halts(""))
			}
			isPaused(t, w.pauseAll(all(w.saw()[:1], "")), []pausing{{Partition: 0, Status: 200}, {Partition: 1, Status: 409, Text: "not in the body"}})
			isPaused(t, w.pauseAll(all(w.saw(), "")), []pausing{{Partition: 0, Status: 422, Text: "paused by olaf"}, {Partition: 1, Status: 200}})
			isPaused(t, w.pauseAll(all([]string{seen(7, 1)}, "")), []pausing{{Partition: 7, Status: 409}}) // those that are paused need not be named
			refused := slices.DeleteFunc(w.events(reads), func(e event) bool { return !strings.HasPrefix(e.Text, "refused: ") })
			if len(refused) != 6 {
				t.Errorf("refusals: %+v", refused)
			}
		})
	})
	t.Run("is refused as any change is, and as a whole if its list is wrong", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			body := all(w.saw(), "")
			w.refuses(401, "needs a token", http.MethodPost, pauseAll, "", body)
			w.refuses(403, "rita has the scope read", http.MethodPost, pauseAll, reads, body)
			w.refuses(403, "another origin", http.MethodPost, pauseAll, operates, body, with("Origin", "http://evil.example.com"))
			w.refuses(415, "application/json", http.MethodPost, pauseAll, operates, body, with("Content-Type", "text/plain"))
			w.refuses(404, "no pipeline", http.MethodPost, "/v1/pipelines/other/pause-all", operates, body)
			w.refuses(400, "from 1 to 10000 partitions", http.MethodPost, pauseAll, operates, all(nil, ""))
			w.refuses(400, "from 1 to 10000 partitions", http.MethodPost, pauseAll, operates, all(slices.Repeat(w.saw(), 5001), ""))
			for lacks, one := range map[string]string{"topic": `{"partition":1,"epoch":1}`, "partition": `{"topic":"orders","epoch":1}`, "epoch": `{"topic":"orders","partition":1}`, "partition from 0 on": seen(-1, 1)} {
				w.refuses(400, "partition 3 of the body has no "+lacks, http.MethodPost, pauseAll, operates, all(append(w.saw(), one), ""))
				w.refuses(400, "the body has no "+lacks, http.MethodPost, pause, operates, one)
			}
			w.refuses(413, "larger than 4194304", http.MethodPost, pauseAll, operates, strings.Repeat(" ", 4<<20)+body)
			if len(w.halts("")) != 1 {
				t.Error("it paused")
			}
		})
	})
}

package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
)

const resumeMany = "/v1/pipelines/billing/resume-many"

// these is the body that names halts.
func these(ids ...string) string {
	raw, err := json.Marshal(map[string][]string{"halts": ids})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// result is what came of one halt.
type result struct {
	Halt, Text string
	Status     int
	Done       bool
}

func (d desk) resumeMany(ids ...string) []result {
	d.t.Helper()
	status, text, _ := d.ask(http.MethodPost, resumeMany, operates, these(ids...))
	var body struct{ Results []result }
	if must(d.t, json.Unmarshal([]byte(text), &body)); status != http.StatusOK {
		d.t.Fatalf("resume-many: %d: %s", status, text)
	}
	return body.Results
}

func TestResumeMany(t *testing.T) {
	t.Run("resumes each halt that is there, refuses each that is gone, and tells of each", func(t *testing.T) {
		var lines bytes.Buffer
		halted(t, 1, []admin.Option{admin.Logger(slog.New(slog.NewTextHandler(&lines, nil)))}, func(w *worker) {
			w.refuses(200, "until Resume", http.MethodPost, pause, operates, fmt.Sprintf(`{"topic":"orders","partition":1,"epoch":%d}`, w.p.Snapshot().Partitions[1].Epoch))
			opstest.Put(w.log, 1, "d")
			lines.Reset()
			var ids []string
			for _, h := range w.halts("") {
				ids = append(ids, h.ID)
			}
			if len(ids) != 2 {
				t.Fatalf("halts: %v", ids)
			}
			began := time.Now()
			got := w.resumeMany(ids[0], "gone", ids[1])
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
			for i, want := range []result{{ids[0], "orders[0] continues", 200, true}, {"gone", "has no halt gone any more", 409, false}, {ids[1], "orders[1] continues", 200, true}} {
				if r := got[i]; r.Halt != want.Halt || r.Status != want.Status || r.Done != want.Done || !strings.Contains(r.Text, want.Text) {
					t.Errorf("%d: %+v, want %+v", i, r, want)
				}
			}
			opstest.Pass(time.Minute)
			if hs := w.halts(""); len(hs) > 0 || w.log.Committed(0) != 3 || w.log.Committed(1) != 2 {
				t.Errorf("committed %d and %d, halts: %v", w.log.Committed(0), w.log.Committed(1), hs)
			}
			for _, part := range []string{`"admin change" by=olaf from=192.0.2.1:1234 change=resume pipeline=billing topic=orders partition=0 offset=1`,
				`"admin change" by=olaf from=192.0.2.1:1234 change=resume pipeline=billing topic=orders partition=1`, `"admin change refused" by=olaf from=192.0.2.1:1234 change=resume`} {
				if strings.Count(lines.String(), part) != 1 {
					t.Errorf("no line with %s in\n%s", part, &lines)
				}
			}
			kept := slices.DeleteFunc(w.events(reads), func(e event) bool { return e.Kind != "resume" || e.By != "olaf" })
			if len(kept) != 3 {
				t.Errorf("events: %+v", kept)
			}
			for _, r := range w.resumeMany(ids...) {
				if r.Status != 409 || !strings.Contains(r.Text, "olaf was faster: resume, 1m0s ago") {
					t.Errorf("once more: %+v", r)
				}
			}
		})
	})
	t.Run("waits for all of them a second, not for each", func(t *testing.T) {
		handle := func(_ context.Context, m kafka.Message) error {
			switch string(m.Value) {
			case bad:
				return opstest.ErrDown
			case "a", "slow":
				time.Sleep(2 * time.Minute)
			}
			return nil
		}
		haltedBy(t, func() handler { return handle }, nil, func(w *worker) {
			must(t, w.p.SetDegree("charge", 2, 4))
			opstest.Put(w.log, 1, "slow", bad)
			opstest.Pass(time.Second)
			hs := w.halts("")
			if len(hs) != 2 {
				t.Fatalf("halts: %v", hs)
			}
			began := time.Now()
			for _, r := range w.resumeMany(hs[0].ID, hs[1].ID) {
				if r.Status != 200 || r.Done || !strings.Contains(r.Text, "once the records that were started before the halt have finished") {
					t.Errorf("%+v", r)
				}
			}
			if took := time.Since(began); took != time.Second {
				t.Errorf("it took %v", took)
			}
			opstest.Pass(5 * time.Minute)
		})
	})
	t.Run("is refused as any change is, and as a whole if its list is wrong", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			all := these(w.halts("")[0].ID)
			w.refuses(401, "needs a token", http.MethodPost, resumeMany, "", all)
			w.refuses(403, "rita has the scope read", http.MethodPost, resumeMany, reads, all)
			w.refuses(403, "another origin", http.MethodPost, resumeMany, operates, all, with("Origin", "http://evil.example.com"))
			w.refuses(415, "application/json", http.MethodPost, resumeMany, operates, all, with("Content-Type", "text/plain"))
			w.refuses(404, "no pipeline", http.MethodPost, "/v1/pipelines/other/resume-many", operates, all)
			w.refuses(400, "from 1 to 1000 halts", http.MethodPost, resumeMany, operates, these())
			w.refuses(400, "from 1 to 1000 halts", http.MethodPost, resumeMany, operates, these(slices.Repeat([]string{w.halts("")[0].ID}, 1001)...))
			w.refuses(400, "has no id", http.MethodPost, resumeMany, operates, these(w.halts("")[0].ID, ""))
			w.refuses(400, "halt 1 has no id", http.MethodPost, resumeMany, operates, these(strings.Repeat("x", 25)))
			w.refuses(400, "from 1 to 1000 halts", http.MethodPost, resumeMany, operates, `{"halts":[`+strings.Repeat(`"`+strings.Repeat(`\ud83d\ude00`, 24)+`",`, 1000)+`""]}`) // not that it is too large
			w.refuses(413, "larger than 524288", http.MethodPost, resumeMany, operates, strings.Repeat(" ", 512<<10)+all)
			if len(w.halts("")) != 1 || w.log.Committed(0) != 1 {
				t.Error("it resumed")
			}
		})
	})
}

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

const (
	pause  = "/v1/pipelines/billing/pause"
	park   = "/v1/pipelines/billing/park"
	resume = "/v1/pipelines/billing/resume"
	skip   = "/v1/pipelines/billing/skip"
	degree = "/v1/pipelines/billing/degree"
	rate   = "/v1/pipelines/billing/rate"
)

// by is the body that names a halt.
func by(h halt) string { return fmt.Sprintf(`{"halt":%q}`, h.ID) }

func TestChange(t *testing.T) {
	t.Run("resumes a halt", func(t *testing.T) {
		halted(t, 1, nil, func(w *worker) {
			status, text, _ := w.ask(http.MethodPost, resume, operates, by(w.halts("")[0]))
			if status != 200 || !strings.Contains(text, `"done":true`) {
				t.Fatalf("resume: %d %s", status, text)
			}
			opstest.Pass(time.Minute)
			if hs := w.halts(""); len(hs) > 0 || w.log.Committed(0) != 3 {
				t.Errorf("committed %d, halts: %v", w.log.Committed(0), hs)
			}
		})
	})
	t.Run("skips a halt", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			if status, text, _ := w.ask(http.MethodPost, skip, operates, by(w.halts("")[0])); status != 200 {
				t.Fatalf("skip: %d %s", status, text)
			}
			opstest.Pass(time.Minute)
			if w.log.Committed(0) != 3 {
				t.Errorf("committed %d", w.log.Committed(0))
			}
		})
	})
	t.Run("is refused if somebody else was faster", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			seen := by(w.halts("")[0])
			w.ask(http.MethodPost, resume, operates, seen)
			opstest.Pass(time.Minute) // it fails again, and is halted again at the same record
			if hs := w.halts(""); len(hs) != 1 || by(hs[0]) == seen {
				t.Fatalf("halts: %v", hs)
			}
			w.refuses(409, "olaf was faster: resume, 1m0s ago", http.MethodPost, skip, operates, seen)
			w.refuses(409, "any more", http.MethodPost, resume, operates, seen)
			if w.log.Committed(0) != 1 {
				t.Errorf("committed %d: it was skipped", w.log.Committed(0))
			}
		})
	})
	t.Run("pauses a partition in the epoch that its caller saw, until Resume", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			epoch := w.p.Snapshot().Partitions[1].Epoch
			paused := func(epoch int32) string { return fmt.Sprintf(`{"topic":"orders","partition":1,"epoch":%d}`, epoch) }
			w.refuses(409, "not assigned here in that epoch", http.MethodPost, pause, operates, paused(epoch+1))
			w.refuses(400, "has no epoch", http.MethodPost, pause, operates, `{"topic":"orders","partition":1}`)
			w.refuses(200, "until Resume", http.MethodPost, pause, operates, paused(epoch))
			w.refuses(422, "paused by olaf", http.MethodPost, pause, operates, paused(epoch))
			opstest.Put(w.log, 1, "d")
			opstest.Pass(time.Minute)
			hs := w.halts("")
			i := slices.IndexFunc(hs, func(h halt) bool { return h.By == "olaf" })
			if i < 0 || w.log.Committed(1) != 1 {
				t.Fatalf("committed %d, halts: %+v", w.log.Committed(1), hs)
			}
			if h := hs[i]; h.Resume != "Reads orders[1] on from 1." || h.Skip != "" || !strings.Contains(h.Text, "paused by olaf") {
				t.Errorf("halt: %+v", h)
			}
			w.refuses(422, "no record has failed", http.MethodPost, skip, operates, by(hs[i]))
			w.refuses(200, "continues", http.MethodPost, resume, operates, by(hs[i]))
			opstest.Pass(time.Minute)
			if w.log.Committed(1) != 2 {
				t.Errorf("committed %d", w.log.Committed(1))
			}
		})
	})
	t.Run("pauses until a time", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			body := func(until time.Time) string {
				return fmt.Sprintf(`{"topic":"orders","partition":1,"epoch":%d,"until":%q}`, w.p.Snapshot().Partitions[1].Epoch, until.Format(time.RFC3339))
			}
			w.refuses(422, "which is over", http.MethodPost, pause, operates, body(time.Now()))
			w.refuses(200, "is paused until "+time.Now().Add(time.Hour).Format(time.RFC3339)+" or Resume", http.MethodPost, pause, operates, body(time.Now().Add(time.Hour)))
			opstest.Pass(time.Hour + time.Second)
			if hs := w.halts(""); slices.ContainsFunc(hs, func(h halt) bool { return h.By != "" }) {
				t.Errorf("halts: %+v", hs)
			}
		})
	})
	t.Run("parks a key in the epoch that its caller saw, until Resume", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			epoch := w.p.Snapshot().Partitions[1].Epoch
			parked := func(key string) string {
				return fmt.Sprintf(`{"topic":"orders","partition":1,"epoch":%d,%s}`, epoch, key)
			}
			w.refuses(400, "one of key and keyBase64", http.MethodPost, park, operates, fmt.Sprintf(`{"topic":"orders","partition":1,"epoch":%d}`, epoch))
			w.refuses(400, "one of key and keyBase64", http.MethodPost, park, operates, parked(`"key":"a","keyBase64":"YQ=="`))
			w.refuses(400, "is not base64", http.MethodPost, park, operates, parked(`"keyBase64":"?"`))
			w.refuses(409, "not assigned here in that epoch", http.MethodPost, park, operates, `{"topic":"orders","partition":1,"epoch":9,"key":"a"}`)
			w.refuses(200, "survives rebalances and restarts", http.MethodPost, park, operates, parked(fmt.Sprintf(`"key":"key-c","until":%q`, time.Now().Add(time.Hour).Format(time.RFC3339))))
			w.refuses(200, "is parked until Resume", http.MethodPost, park, operates, parked(`"keyBase64":"ay0x"`)) // k-1
			w.refuses(422, "parked already", http.MethodPost, park, operates, parked(`"key":"k-1"`))
			var ids []string
			for _, h := range w.halts(reads) {
				if h.By == "olaf" {
					ids = append(ids, h.ID)
					if h.Scope != "lane" || h.Resume != "Lets the records of the key continue, in order." || h.Skip != "" || !strings.Contains(h.Text, `key "k`) {
						t.Errorf("halt: %+v", h)
					}
					w.refuses(422, "no record has failed", http.MethodPost, skip, operates, by(h))
				}
			}
			if len(ids) != 2 || ids[0] == ids[1] {
				t.Fatalf("ids: %v", ids)
			}
			for _, h := range w.halts("") {
				if strings.Contains(h.Text, `key "k`) {
					t.Errorf("a key without a token: %+v", h)
				}
			}
			w.refuses(200, "continues", http.MethodPost, resume, operates, fmt.Sprintf(`{"halt":%q}`, ids[0]))
			if hs := w.halts(""); !slices.ContainsFunc(hs, func(h halt) bool { return h.ID == ids[1] }) {
				t.Errorf("halts: %+v", hs)
			}
		})
	})
	t.Run("drains the process that its caller saw", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			w.refuses(409, "this is process", http.MethodPost, "/v1/drain", operates, `{"instance":"another"}`)
			if w.drained != nil {
				t.Fatal("it drained")
			}
			var p struct{ Instance string }
			w.get("/v1/process", "", &p)
			if status, text, _ := w.ask(http.MethodPost, "/v1/drain", operates, fmt.Sprintf(`{"instance":%q}`, p.Instance)); status != 200 {
				t.Fatalf("drain: %d %s", status, text)
			}
			if w.drained == nil || !strings.HasPrefix(w.drained.Error(), "olaf asked for it") {
				t.Errorf("the cause: %v", w.drained)
			}
		})
	})
	t.Run("is logged and kept with who, what and from where", func(t *testing.T) {
		var lines bytes.Buffer
		halted(t, 1, []admin.Option{admin.Logger(slog.New(slog.NewJSONHandler(&lines, nil)))}, func(w *worker) {
			w.ask(http.MethodPost, skip, operates, `{"halt":"gone"}`)
			w.ask(http.MethodPost, resume, operates, by(w.halts("")[0]))
			var line struct {
				Msg, By, From, Change, Pipeline, Topic string
				Offset                                 int64
			}
			refused, made, _ := strings.Cut(lines.String(), "\n")
			must(t, json.Unmarshal([]byte(made), &line))
			if line.Msg != "admin change" || line.By != "olaf" || line.From != "192.0.2.1:1234" || line.Change != "resume" || line.Pipeline != "billing" || line.Topic != "orders" || line.Offset != 1 {
				t.Errorf("log: %s", made)
			}
			if !strings.Contains(refused, `"msg":"admin change refused","by":"olaf"`) {
				t.Errorf("log: %s", refused)
			}
			es := w.events(reads)
			kept := slices.IndexFunc(es, func(e event) bool { return e.Kind == "resume" })
			if e := es[max(kept, 0)]; e.By != "olaf" || e.From != "192.0.2.1:1234" || e.Text != "of orders[0]@1" {
				t.Errorf("events: %+v", es)
			}
		})
	})
	t.Run("says what is wrong with it", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			h := w.halts("")[0]
			w.refuses(400, "cannot be read", http.MethodPost, resume, operates, `{"halt":`)
			w.refuses(400, "unknown field", http.MethodPost, resume, operates, `{"halt":"x","force":true}`)
			w.refuses(400, "more after", http.MethodPost, resume, operates, `{"halt":"x"}{}`)
			w.refuses(422, "go together", http.MethodPost, skip, operates, fmt.Sprintf(`{"halt":%q,"from":1}`, h.ID))
			w.refuses(422, "no offset from 7 to 8", http.MethodPost, skip, operates, fmt.Sprintf(`{"halt":%q,"from":7,"to":8}`, h.ID))
			w.refuses(404, "no pipeline", http.MethodPost, "/v1/pipelines/other/skip", operates, by(h))
		})
	})
}

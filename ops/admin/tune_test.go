package admin_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
)

// tunable is what a caller knows of what can be set.
type tunable struct {
	Degrees []struct {
		Step             string
		Built, Now, Busy int
	}
	Rates []struct {
		Step       string
		Built, Now float64
	}
	Topology struct{ Text, Rate string }
}

func (d desk) tunable() tunable {
	d.t.Helper()
	var body struct{ Pipelines []tunable }
	d.get("/v1/pipelines", "", &body)
	return body.Pipelines[0]
}

func TestTune(t *testing.T) {
	t.Run("sets a degree, and says how many are above it and how long it lasts", func(t *testing.T) {
		hold := make(chan struct{})
		handle := func() handler {
			hold = make(chan struct{}) // of the bubble
			return func(c context.Context, m kafka.Message) error {
				if len(m.Value) > 1 {
					select {
					case <-hold:
					case <-c.Done():
					}
				}
				return nil
			}
		}
		haltedBy(t, handle, nil, func(w *worker) { // "bad" is at work
			opstest.Put(w.log, 1, "long")
			opstest.Pass(time.Second)
			w.refuses(200, "charge works on up to 1 at a time on this replica until restart; 2 are at work, and no other one begins until fewer than 1 are",
				http.MethodPost, degree, operates, `{"step":"charge","seen":2,"degree":1}`)
			if is := w.tunable(); len(is.Degrees) != 1 || is.Degrees[0].Step != "charge" || is.Degrees[0].Built != 2 || is.Degrees[0].Now != 1 || is.Degrees[0].Busy != 2 {
				t.Errorf("degrees: %+v", is.Degrees)
			}
			opstest.Put(w.log, 1, "d")
			opstest.Pass(time.Minute)
			var e struct{ Cause, Setting, Text string }
			w.get("/v1/pipelines/billing/partitions/orders/0", "", &e)
			if e.Cause != "handler" || e.Setting != "" {
				t.Errorf("what is at work: %+v", e)
			}
			close(hold)
			opstest.Pass(time.Second)
			if w.log.Committed(1) != 3 {
				t.Errorf("committed %d", w.log.Committed(1))
			}
			w.refuses(200, `"done":true,"text":"charge works on up to 4 at a time on this replica until restart"`, http.MethodPost, degree, operates, `{"step":"charge","seen":1,"degree":4}`)
			if is := w.tunable(); !strings.Contains(is.Topology.Text, "set to 4 until restart") {
				t.Errorf("topology: %s", is.Topology.Text)
			}
		})
	})
	t.Run("sets the rate of the pipeline, and lifts it", func(t *testing.T) {
		halted(t, 0, nil, func(w *worker) {
			w.refuses(200, "the rate of the pipeline is 0.01 a second on this replica until restart", http.MethodPost, rate, operates, `{"seen":0,"perSecond":0.01}`)
			opstest.Put(w.log, 1, "d")
			opstest.Pass(20 * time.Second)
			if is := w.tunable(); len(is.Rates) != 1 || is.Rates[0].Step != "" || is.Rates[0].Built != 0 || is.Rates[0].Now != 0.01 || is.Topology.Rate != "0.01 records a second, until restart" {
				t.Errorf("rates: %+v", is)
			}
			var e struct{ Cause, Setting, Text string }
			w.get("/v1/pipelines/billing/partitions/orders/1", "", &e)
			if says := "the rate of the pipeline was set to 0.01 a second until restart"; e.Cause != "throttle" || e.Setting != says || !strings.Contains(e.Text, says) {
				t.Errorf("%+v", e)
			}
			w.refuses(200, "the rate of the pipeline is no limit", http.MethodPost, rate, operates, `{"seen":0.01,"perSecond":0}`)
			opstest.Pass(time.Second)
			if w.log.Committed(1) != 2 {
				t.Errorf("committed %d", w.log.Committed(1))
			}
		})
	})
	t.Run("is refused", func(t *testing.T) {
		halted(t, 0, nil, func(w *worker) {
			for _, c := range []struct {
				status           int
				says, path, body string
			}{
				{409, "the degree of charge is 2, not 3", degree, `{"step":"charge","seen":3,"degree":1}`},
				{409, "the rate is no limit, not 3 a second", rate, `{"seen":3,"perSecond":1}`},
				{422, "no such step", degree, `{"step":"refund","seen":2,"degree":1}`},
				{422, "use at least 1", degree, `{"step":"charge","seen":2,"degree":0}`},
				{422, "no Throttle", rate, `{"step":"charge","seen":0,"perSecond":1}`},
				{400, "needs step, seen and degree", degree, `{"step":"charge","degree":1}`},
				{400, "needs seen and perSecond", rate, `{"seen":0}`},
				{400, "cannot be read", degree, `{"step":"charge","seen":2,"degree":1.5}`},
			} {
				w.refuses(c.status, c.says, http.MethodPost, c.path, operates, c.body)
			}
			w.refuses(403, "operate", http.MethodPost, degree, reads, `{"step":"charge","seen":2,"degree":1}`)
			if is := w.tunable(); is.Degrees[0].Now != 2 || is.Rates[0].Now != 0 {
				t.Errorf("it was set all the same: %+v", is)
			}
		})
	})
	t.Run("is logged and kept with who, what, when and from where", func(t *testing.T) {
		var log bytes.Buffer
		halted(t, 0, []admin.Option{admin.Logger(slog.New(slog.NewTextHandler(&log, nil)))}, func(w *worker) {
			w.ask(http.MethodPost, degree, operates, `{"step":"charge","seen":2,"degree":1}`)
			w.ask(http.MethodPost, degree, operates, `{"step":"charge","seen":2,"degree":1}`)
			w.ask(http.MethodPost, rate, operates, `{"seen":0,"perSecond":5}`)
			var told []string
			for _, e := range w.events(reads) {
				if e.By != "" {
					told = append(told, strings.Join([]string{e.Kind, e.Level, e.By, e.From, e.Pipeline, e.Step, e.Text}, "|"))
				}
			}
			want := []string{
				"degree|info|olaf|192.0.2.1:1234|billing|charge|of charge from 2 to 1, until restart",
				"degree|warn|olaf|192.0.2.1:1234|billing|charge|refused: the degree of charge is 1, not 2: the present value is not the one that was seen: take a Snapshot again [LW239]; olaf was faster: degree, 0s ago",
				"rate|info|olaf|192.0.2.1:1234|billing||of the pipeline from no limit to 5 a second, until restart",
			}
			if strings.Join(told, "\n") != strings.Join(want, "\n") {
				t.Errorf("events:\n%s", strings.Join(told, "\n"))
			}
			for _, says := range []string{`msg="admin change" by=olaf from=192.0.2.1:1234 change=degree pipeline=billing step=charge what="of charge from 2 to 1, until restart"`, `msg="admin change refused"`} {
				if !strings.Contains(log.String(), says) {
					t.Errorf("the log does not say %q:\n%s", says, &log)
				}
			}
			w.ask(http.MethodPost, rate, operates, `{"seen":5,"perSecond":0}`)
		})
	})
}

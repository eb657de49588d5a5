package cookbook

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
)

// ask sends a request to a handler.
func ask(h http.Handler, method string, form url.Values) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(method, "/?"+form.Encode(), nil), httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOperate(t *testing.T) {
	bubble(t, "Handlers", func(t *testing.T) {
		b, log := &bank{fails: map[string]error{"a1": errBusy}}, logOf("a1")
		p, err := source.Kafka(orders).GroupByKey().Map(ops.JSON[Order]).MapConcurrent(1, b.charge).HaltOnError().CommitEvery(1, time.Second).Build(log.Source())
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- p.Run(t.Context()) }()
		time.Sleep(2 * time.Second) // of virtual time: the record has failed
		synctest.Wait()
		at := url.Values{"topic": {"orders"}, "partition": {"0"}}
		if text := ask(ExplainHandler(p), http.MethodGet, at).Body.String(); !strings.Contains(text, "is halted by") {
			t.Errorf("explained: %s", text)
		}
		if text := ask(PartitionsHandler(p), http.MethodGet, nil).Body.String(); !strings.Contains(text, `"Watermark":0`) {
			t.Errorf("partitions: %s", text)
		}
		if text := ask(HaltsHandler(p), http.MethodGet, nil).Body.String(); !strings.Contains(text, "orders[0]@0") {
			t.Errorf("halts: %s", text)
		}
		if w := ask(HaltsHandler(p), http.MethodPost, url.Values{"record": {"orders[0]@0"}, "how": {"resume"}}); w.Code != http.StatusOK {
			t.Errorf("resume: %s", w.Body)
		}
		log.Finish()
		if err := <-ended; err != nil || len(b.charged) != 1 {
			t.Errorf("%v, charged %v", err, b.charged)
		}
	})
	t.Run("Serve", func(t *testing.T) {
		if err := Serve(t.Context(), source.Slice(Receipt{"1"}).Serial(nil), "127.0.0.1:0"); err == nil {
			t.Error("a nil func was not refused")
		}
		if err := Serve(t.Context(), source.Slice(Receipt{"1"}), "127.0.0.1:0"); err != nil {
			t.Error(err)
		}
	})
}

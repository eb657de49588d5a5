package cookbook

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

var (
	errBusy = errors.New("the bank is busy")
	errBad  = stream.Permanent(errors.New("no such account"))
)

func TestFailure(t *testing.T) {
	bubble(t, "Escalating", func(t *testing.T) {
		b := &bank{fails: map[string]error{"a1": errBusy}, always: map[string]error{"b1": errBad}}
		letters := sink.Slice[stream.Failure]()
		run(t, Escalating(orders, b.charge, letters), logOf("a1", "b1", "b2"))
		if !slices.Equal(b.sorted(), []string{"a1", "b2"}) || len(letters.Values()) != 1 {
			t.Errorf("charged %v, letters: %v", b.charged, letters.Values())
		}
	})
	t.Run("CheckStatus", func(t *testing.T) {
		answer := func(code int, after string) error {
			r := httptest.NewRecorder()
			r.Header().Set("Retry-After", after)
			r.WriteHeader(code)
			return CheckStatus(r.Result())
		}
		busy, ok := errors.AsType[*Busy](answer(http.StatusServiceUnavailable, "7"))
		if !ok || busy.RetryAfter() != 7*time.Second {
			t.Errorf("a busy server: %v", busy)
		}
		if !stream.IsPermanent(answer(http.StatusNotFound, "")) || stream.IsPermanent(answer(http.StatusBadGateway, "")) {
			t.Error("refused is permanent, failed is not")
		}
		if answer(http.StatusOK, "") != nil {
			t.Error("OK is no error")
		}
	})
	bubble(t, "Guarded", func(t *testing.T) {
		var back atomic.Bool
		time.AfterFunc(10*time.Minute, func() { back.Store(true) })
		charge := func(context.Context, Order) (Receipt, error) {
			if !back.Load() {
				return Receipt{}, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return Receipt{}, nil
		}
		if took := run(t, Guarded(orders, charge), logOf("a1", "b1", "c1", "d1", "e1", "f1")); took < 10*time.Minute || took > 11*time.Minute {
			t.Errorf("took %v", took)
		}
	})
	bubble(t, "Bisected", func(t *testing.T) {
		b, letters := new(bank), sink.Slice[stream.Failure]()
		var stored atomic.Int64
		store := func(_ context.Context, rs []Receipt) error {
			if slices.Contains(rs, Receipt{"c1"}) {
				return errBad
			}
			stored.Add(int64(len(rs)))
			return nil
		}
		run(t, Bisected(orders, b.charge, store, letters), logOf("a1", "b1", "c1", "d1"))
		if stored.Load() != 3 || len(letters.Values()) != 1 {
			t.Errorf("stored %d, letters: %v", stored.Load(), letters.Values())
		}
	})
	bubble(t, "Mending", func(t *testing.T) {
		b := &bank{fails: map[string]error{"a1": errBusy}}
		log := logOf("a1", "a2")
		ended := make(chan error, 1)
		go func() { ended <- Mending(orders, b.charge).Run(t.Context(), log.Source()) }()
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		log.Finish()
		if err := <-ended; err != nil || !slices.Equal(b.charged, []string{"a1", "a2"}) {
			t.Errorf("%v, charged %v", err, b.charged)
		}
	})
	bubble(t, "Slow", func(t *testing.T) {
		var out bytes.Buffer
		b, log := new(bank), logOf("a1")
		log.Finish()
		if err := PerKey(orders, b.charge).Run(t.Context(), log.Source(), stream.Use(Slow(time.Millisecond, slog.New(slog.NewTextHandler(&out, nil))))); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "took=1s") {
			t.Errorf("log: %s", &out)
		}
	})
}

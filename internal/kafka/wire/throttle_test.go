package wire

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Every request of a producer or a transaction but Produce goes through these calls.
func TestThrottle(t *testing.T) {
	for name, ask := range map[string]func(c *Client, ctx context.Context) error{
		"by any broker": func(c *Client, ctx context.Context) error {
			_, err := c.Any(ctx, kmsg.NewPtrInitProducerIDRequest())
			return err
		},
		"by the coordinator of a transaction": func(c *Client, ctx context.Context) error {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.TransactionalID = new("tx")
			_, err := c.Transaction(ctx, "tx", req, 4)
			return err
		},
	} {
		t.Run(name+" keeps the next request back and is reported", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, _, transport := kafkatest.Virtual(t, kfake.NumBrokers(1))
				k.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
					k.KeepControl()
					resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
					resp.ThrottleMillis = 3000
					return resp, nil, true
				})
				told := make(chan string, 10)
				c := client(t, Config{Brokers: k.ListenAddrs(), Transport: transport, OnThrottled: func(text string) { told <- text }})
				start := time.Now()
				for range 2 {
					if err := ask(c, within(t, time.Minute)); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(start); took < 3*time.Second {
					t.Errorf("both requests took %v", took)
				}
				if text := <-told; !strings.Contains(text, "InitProducerID") || !strings.Contains(text, "3s") {
					t.Errorf("reported: %s", text)
				}
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				start = time.Now()
				if err := ask(c, ctx); err == nil || time.Since(start) != time.Second {
					t.Errorf("a request that is given up after 1s returned after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}

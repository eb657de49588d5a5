package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// frozen returns an address that accepts connections and never answers.
func frozen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, but nothing reads
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestAny(t *testing.T) {
	t.Run("asks the next address if one is frozen", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, _, transport := kafkatest.Virtual(t, kfake.SeedTopics(1, "orders"))
			frozen := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
			kafkatest.Freeze(transport, frozen...)
			c := client(t, Config{Brokers: append(frozen, k.ListenAddrs()...), Transport: transport})
			// waiting for one of them would exceed this
			if _, err := c.Metadata(within(t, greeting), "orders"); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("names the addresses that did not answer in time", func(t *testing.T) {
		addr := frozen(t)
		c := client(t, Config{Brokers: []string{addr}})
		_, err := c.Metadata(within(t, 100*time.Millisecond))
		var unreachable *kafkaerr.UnreachableError
		if !errors.As(err, &unreachable) || unreachable.Addr != addr || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("gives an address that never answers up after 5 s, each time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const frozen = "127.0.0.1:1"
			transport := new(kafka.Transport)
			kafkatest.Freeze(transport, frozen)
			c := client(t, Config{Brokers: []string{frozen}, Transport: transport})
			for range 2 {
				start := time.Now()
				_, err := c.Metadata(within(t, time.Minute))
				if took := time.Since(start); err == nil || took > 5*time.Second {
					t.Errorf("it failed after %v: %v", took, err)
				}
			}
		})
	})
	t.Run("gives each broker its own copy of the request", func(t *testing.T) {
		req := kmsg.NewPtrMetadataRequest()
		copied(req).SetVersion(7)
		if req.Version != 0 {
			t.Errorf("the original has version %d", req.Version)
		}
	})
}

func TestUnreachable(t *testing.T) {
	ask := func(c *Client, id int32) error {
		_, err := c.Broker(within(t, 20*time.Second), id, kmsg.NewPtrListOffsetsRequest())
		return err
	}
	t.Run("names advertised.listeners if the broker's own address is unreachable", func(t *testing.T) {
		c := client(t, Config{Brokers: []string{"kafka:9092"}})
		c.learn(&kmsg.MetadataResponse{Brokers: []kmsg.MetadataResponseBroker{{NodeID: 7, Host: "127.0.0.1", Port: 1}}})
		if err := ask(c, 7); err == nil || !strings.Contains(err.Error(), "advertised.listeners") {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("suspects TLS or SASL if a broker hangs up that never answered", func(t *testing.T) {
		_, err := client(t, Config{Brokers: []string{replies(t, "")}}).Metadata(within(t, 20*time.Second))
		if err == nil || !strings.Contains(err.Error(), "may require TLS (Transport.TLS) or SASL") {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("suspects a listener without TLS if the broker does not speak it", func(t *testing.T) {
		_, err := client(t, Config{Brokers: []string{replies(t, "no TLS here")}, Transport: &kafka.Transport{TLS: &tls.Config{}}}).Metadata(within(t, 20*time.Second))
		if err == nil || !strings.Contains(err.Error(), "leave Transport.TLS nil") {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("suspects no configuration if a broker that answered hangs up while another is silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, _, transport := kafkatest.Virtual(t, kfake.NumBrokers(2), kfake.Ports(9092, 9093))
			c := client(t, Config{Brokers: k.ListenAddrs(), Transport: transport})
			if _, err := c.Metadata(within(t, time.Minute)); err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			frozen := slices.DeleteFunc(k.ListenAddrs(), func(addr string) bool { return addr == c.answered })
			c.mu.Unlock()
			kafkatest.Freeze(transport, frozen[0])
			k.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
				k.KeepControl()
				return nil, errors.New("the broker hangs up"), true
			})
			if _, err := c.Metadata(within(t, time.Second)); err == nil || strings.Contains(err.Error(), "TLS") {
				t.Errorf("error: %v", err)
			}
		})
	})
	t.Run("suspects no configuration if a broker that answered goes down", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		c := client(t, Config{Brokers: k.ListenAddrs()})
		topics, err := c.Metadata(within(t, 20*time.Second), "orders")
		if err != nil {
			t.Fatal(err)
		}
		leader := topics[0].Partitions[0].Leader
		if err := ask(c, leader); err != nil {
			t.Fatal(err)
		}
		k.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
			return nil, errors.New("the broker hangs up"), true
		})
		if err := ask(c, leader); err == nil || strings.Contains(err.Error(), "TLS") || strings.Contains(err.Error(), "advertised") {
			t.Errorf("error: %v", err)
		}
	})
}

// replies returns the address of a listener that sends text to whoever writes to it, and hangs up.
func replies(t *testing.T, text string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg conc.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(text))
			conn.Close()
		}
	})
	return l.Addr().String()
}

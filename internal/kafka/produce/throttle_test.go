package produce

import (
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestThrottle(t *testing.T) {
	t.Run("is obeyed and reported", func(t *testing.T) {
		const quota = 500 * time.Millisecond
		c, _, topic := fake(t, 1)
		asked := make(chan time.Time, 10)
		c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			asked <- time.Now()
			resp := req.ResponseKind().(*kmsg.ProduceResponse)
			resp.ThrottleMillis = int32(quota.Milliseconds())
			for _, rt := range req.(*kmsg.ProduceRequest).Topics {
				of := kmsg.NewProduceResponseTopic()
				of.Topic = rt.Topic
				for _, rp := range rt.Partitions {
					p := kmsg.NewProduceResponseTopicPartition()
					p.Partition = rp.Partition
					of.Partitions = append(of.Partitions, p)
				}
				resp.Topics = append(resp.Topics, of)
			}
			return resp, nil, true
		})
		told := make(chan string, 10)
		p := producer(t, c.ListenAddrs(), nil, func(c *Config) { c.OnEvent = func(name, text string) { told <- name + ": " + text } })
		for range 2 {
			put(t, p, topic, kafka.Message{Value: []byte("v")})
		}
		if first, second := <-asked, <-asked; second.Sub(first) < quota {
			t.Errorf("throttled for %v, but the next request came after %v", quota, second.Sub(first))
		}
		if event := <-told; !strings.HasPrefix(event, "throttled: ") || !strings.Contains(event, "500ms") {
			t.Errorf("reported: %s", event)
		}
	})
}

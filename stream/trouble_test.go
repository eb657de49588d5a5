package stream_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestTrouble(t *testing.T) {
	tp := stream.TopicPartition{Topic: "h", Partition: 7}
	for name, opts := range map[string][]stream.Option{"leaves the pod ready": nil, "counts where it is asked for": {stream.ReadyWhen(stream.EveryPartition)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src := newHand(1)
				p, err := src.chain().Build(opts...)
				must(t, err)
				h := supervise(t, stream.Supervise(p).Serve(":0", nil))
				<-src.ready
				since := time.Now()
				src.in.Trouble(tp, errBoom)
				elapse(time.Minute)
				src.in.Trouble(tp, errBoom)
				b := h.readyz().Pipelines[0]
				if len(b.Troubles) != 1 || b.Troubles[0].Partition != 7 || b.Troubles[0].Error != "boom" || !b.Troubles[0].Since.Equal(since) {
					t.Errorf("readyz: %+v", b)
				}
				if b.Ready != (opts == nil) || strings.Contains(b.Reason, "h[7] has not been readable since 2000-01-01T00:00:00Z: boom") == b.Ready {
					t.Errorf("readyz: %+v", b)
				}
				src.in.Trouble(tp, nil)
				if b := h.readyz(); !b.Ready || b.Pipelines[0].Troubles != nil {
					t.Errorf("readyz: %+v", b)
				}
				h.kill(syscall.SIGTERM)
				must(t, h.wait())
			})
		})
	}
}

package kafkatest

import (
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Virtual is Fake and At in virtual time: it is called in a bubble of testing/synctest. Clients
// reach the cluster through the Transport, without a network, so that a timeout ends only when all
// goroutines wait, however slow the machine is.
func Virtual(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, *Kafka, *kafka.Transport) {
	t.Helper()
	n := new(kfake.VirtualNetwork)
	c := Fake(t, append(opts, kfake.ListenFn(n.Listen))...)
	return c, At(t, c.ListenAddrs(), kgo.Dialer(n.DialContext)), &kafka.Transport{Dial: n.DialContext}
}

package kafkatest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Fake starts an in-process cluster that closes when the test ends. It has one broker, logs
// nothing, creates no topic by itself, and allows sessions as short as 100 ms, so that an eviction
// is quick. opts override these.
func Fake(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatalf("kafkatest: starting the in-process broker: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

package wire

import (
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestOffsetMetadataBytesRealKafka(t *testing.T) {
	c := client(t, Config{Brokers: kafkatest.Real(t)})
	if _, err := c.Metadata(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.OffsetMetadataBytes(within(t, 10*time.Second)); n != 4096 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

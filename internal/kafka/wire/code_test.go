package wire

import (
	"errors"
	"fmt"
	"testing"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

func TestCode(t *testing.T) {
	t.Run("matches kafka-go's error", func(t *testing.T) {
		err := fmt.Errorf("reading: %w", &kafkaerr.TopicError{Topic: "orders", Err: TopicAuthorization})
		var code kafka.Error
		if !errors.As(err, &code) || code != kafka.TopicAuthorizationFailed {
			t.Errorf("found %v in %v", code, err)
		}
	})
}

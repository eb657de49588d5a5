package source

import (
	"fmt"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// What Run, a halt or an event of the Kafka source may hold; match with errors.As. A broker's own answer matches kafka-go's constants:
// errors.Is(err, kafka.TopicAuthorizationFailed).
type (
	KafkaAuthError        = wire.AuthError        // credentials or certificate refused
	KafkaUnreachableError = wire.UnreachableError // a broker did not answer
	KafkaTopicError       = wire.TopicError       // a topic is unknown, or may not be read
	KafkaCode             = wire.Code             // a broker's error code
	KafkaGroupError       = group.FatalError      // the group will not have this member
	KafkaOutOfRangeError  = fetch.OutOfRangeError // Reset is Fail and the log does not have the offset
	KafkaBatchError       = batch.Error           // a batch that cannot be read: the cause of a halt
)

// KafkaNoOffsetError says that the group has no offset for a partition, and that Start is Fail.
type KafkaNoOffsetError struct {
	Group     string
	Topic     string
	Partition int
}

func (s *kafkaSource) noOffset(tp fetch.TP) error {
	return &KafkaNoOffsetError{Group: s.cfg.Group, Topic: tp.Topic, Partition: tp.Partition}
}

func (e *KafkaNoOffsetError) Error() string {
	return fmt.Sprintf("group %q has no offset for %s[%d], and Start is Fail: store one (kafka-consumer-groups --reset-offsets), or choose another Start", e.Group, e.Topic, e.Partition)
}

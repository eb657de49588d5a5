package wire

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
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

func TestMoved(t *testing.T) {
	heartbeat, fetched, committed := kmsg.NewPtrHeartbeatResponse(), kmsg.NewPtrOffsetFetchResponse(), kmsg.NewPtrTxnOffsetCommitResponse()
	fetched.Groups = []kmsg.OffsetFetchResponseGroup{{}}
	committed.Topics = []kmsg.TxnOffsetCommitResponseTopic{{}, {Partitions: []kmsg.TxnOffsetCommitResponseTopicPartition{{}, {}}}}
	for name, tc := range map[string]struct {
		resp kmsg.Response
		code *int16
	}{
		"of the whole":     {heartbeat, &heartbeat.ErrorCode},
		"of a group":       {fetched, &fetched.Groups[0].ErrorCode},
		"of one partition": {committed, &committed.Topics[1].Partitions[1].ErrorCode},
	} {
		t.Run(name, func(t *testing.T) {
			for code, want := range map[Code]bool{None: false, UnknownMemberID: false, NotCoordinator: true, CoordinatorLoading: true} {
				*tc.code = int16(code)
				if got := moved(reflect.ValueOf(tc.resp)); got != want {
					t.Errorf("%v: %v", code, got)
				}
			}
		})
	}
}

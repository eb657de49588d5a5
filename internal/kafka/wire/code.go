package wire

import (
	"fmt"

	"github.com/segmentio/kafka-go"
)

// Code is an error code of the Kafka protocol as an error. It also matches kafka-go's constants:
// errors.Is(err, kafka.TopicAuthorizationFailed).
type Code int16

const (
	None                         Code = 0
	UnknownServerError           Code = -1
	OffsetOutOfRange             Code = 1
	CorruptMessage               Code = 2
	UnknownTopicOrPartition      Code = 3
	LeaderNotAvailable           Code = 5
	NotLeader                    Code = 6
	RequestTimedOut              Code = 7
	BrokerNotAvailable           Code = 8
	ReplicaNotAvailable          Code = 9
	MessageTooLarge              Code = 10
	OffsetMetadataTooLarge       Code = 12
	NetworkException             Code = 13
	CoordinatorLoading           Code = 14
	CoordinatorNotAvailable      Code = 15
	NotCoordinator               Code = 16
	InvalidTopic                 Code = 17
	RecordListTooLarge           Code = 18
	NotEnoughReplicas            Code = 19
	NotEnoughReplicasAfterAppend Code = 20
	IllegalGeneration            Code = 22
	InconsistentProtocol         Code = 23
	InvalidGroupID               Code = 24
	UnknownMemberID              Code = 25
	InvalidSessionTimeout        Code = 26
	RebalanceInProgress          Code = 27
	InvalidCommitOffsetSize      Code = 28
	TopicAuthorization           Code = 29
	GroupAuthorization           Code = 30
	ClusterAuthorization         Code = 31
	InvalidTimestamp             Code = 32
	UnsupportedSASLMechanism     Code = 33
	IllegalSASLState             Code = 34
	UnsupportedVersion           Code = 35
	InvalidRequest               Code = 42
	OutOfOrderSequence           Code = 45
	DuplicateSequence            Code = 46
	InvalidProducerEpoch         Code = 47
	InvalidTxnState              Code = 48
	InvalidProducerIDMapping     Code = 49
	InvalidTransactionTimeout    Code = 50
	ConcurrentTransactions       Code = 51
	TransactionalIDAuth          Code = 53
	StorageError                 Code = 56
	SASLAuthentication           Code = 58
	UnknownProducerID            Code = 59
	GroupIDNotFound              Code = 69
	ListenerNotFound             Code = 72
	FencedLeaderEpoch            Code = 74
	UnknownLeaderEpoch           Code = 75
	UnsupportedCompression       Code = 76
	OffsetNotAvailable           Code = 78
	MemberIDRequired             Code = 79
	GroupMaxSizeReached          Code = 81
	FencedInstanceID             Code = 82
	InvalidRecord                Code = 87
	UnstableOffsetCommit         Code = 88
	ThrottlingQuotaExceeded      Code = 89
	ProducerFenced               Code = 90
	UnknownTopicID               Code = 100
	InconsistentTopicID          Code = 103
	FencedMemberEpoch            Code = 110
	UnreleasedInstanceID         Code = 111
	UnsupportedAssignor          Code = 112
	StaleMemberEpoch             Code = 113
	TransactionAbortable         Code = 120
)

type meaning struct {
	name      string
	retriable bool
	text      string
}

// meanings exists because kafka-go's table ends at 106, and says neither which codes to retry nor
// what to do about one.
var meanings = map[Code]meaning{
	UnknownServerError:           {"UNKNOWN_SERVER_ERROR", true, "the broker failed unexpectedly; see its log"},
	OffsetOutOfRange:             {"OFFSET_OUT_OF_RANGE", false, "the offset is no longer, or not yet, in the partition"},
	CorruptMessage:               {"CORRUPT_MESSAGE", true, "the broker found a record whose checksum is wrong"},
	UnknownTopicOrPartition:      {"UNKNOWN_TOPIC_OR_PARTITION", true, "the broker has no such topic or partition, or it was just created"},
	LeaderNotAvailable:           {"LEADER_NOT_AVAILABLE", true, "the partition has no leader at the moment"},
	NotLeader:                    {"NOT_LEADER_OR_FOLLOWER", true, "the partition has moved to another broker"},
	RequestTimedOut:              {"REQUEST_TIMED_OUT", true, "the broker gave up waiting for its replicas"},
	BrokerNotAvailable:           {"BROKER_NOT_AVAILABLE", true, "the broker is not available"},
	ReplicaNotAvailable:          {"REPLICA_NOT_AVAILABLE", true, "the replica is not available"},
	MessageTooLarge:              {"MESSAGE_TOO_LARGE", false, "the batch is larger than the topic's max.message.bytes"},
	OffsetMetadataTooLarge:       {"OFFSET_METADATA_TOO_LARGE", false, "the text stored with an offset is longer than offset.metadata.max.bytes"},
	NetworkException:             {"NETWORK_EXCEPTION", true, "the broker lost a connection"},
	CoordinatorLoading:           {"COORDINATOR_LOAD_IN_PROGRESS", true, "the coordinator is still loading its groups"},
	CoordinatorNotAvailable:      {"COORDINATOR_NOT_AVAILABLE", true, "the group has no coordinator at the moment"},
	NotCoordinator:               {"NOT_COORDINATOR", true, "the group's coordinator has moved to another broker"},
	InvalidTopic:                 {"INVALID_TOPIC_EXCEPTION", false, "the topic's name is not valid"},
	RecordListTooLarge:           {"RECORD_LIST_TOO_LARGE", false, "the batch is larger than the topic's segment.bytes"},
	NotEnoughReplicas:            {"NOT_ENOUGH_REPLICAS", true, "fewer replicas are in sync than the topic's min.insync.replicas"},
	NotEnoughReplicasAfterAppend: {"NOT_ENOUGH_REPLICAS_AFTER_APPEND", true, "fewer replicas are in sync than the topic's min.insync.replicas"},
	IllegalGeneration:            {"ILLEGAL_GENERATION", false, "the group has a newer generation, without this member"},
	InconsistentProtocol:         {"INCONSISTENT_GROUP_PROTOCOL", false, "the group's members have no balancer in common: configure one for all"},
	InvalidGroupID:               {"INVALID_GROUP_ID", false, "the group's name is not valid"},
	UnknownMemberID:              {"UNKNOWN_MEMBER_ID", false, "the group no longer knows this member"},
	InvalidSessionTimeout:        {"INVALID_SESSION_TIMEOUT", false, "the session timeout is outside the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"},
	RebalanceInProgress:          {"REBALANCE_IN_PROGRESS", true, "the group is rebalancing"},
	InvalidCommitOffsetSize:      {"INVALID_COMMIT_OFFSET_SIZE", false, "the offsets of one request are larger than the offsets topic accepts (max.message.bytes)"},
	TopicAuthorization:           {"TOPIC_AUTHORIZATION_FAILED", false, "the user may not use this topic: give it DESCRIBE on it, and READ to read it or WRITE to write to it"},
	GroupAuthorization:           {"GROUP_AUTHORIZATION_FAILED", false, "the user may not use this group: give it READ on the group"},
	ClusterAuthorization:         {"CLUSTER_AUTHORIZATION_FAILED", false, "the user may not do this on the cluster"},
	InvalidTimestamp:             {"INVALID_TIMESTAMP", false, "the record's time is further from the broker's than the topic allows (message.timestamp.before.max.ms, message.timestamp.after.max.ms)"},
	UnsupportedSASLMechanism:     {"UNSUPPORTED_SASL_MECHANISM", false, "the broker does not offer this SASL mechanism (sasl.enabled.mechanisms)"},
	IllegalSASLState:             {"ILLEGAL_SASL_STATE", false, "the broker expects SASL and got none, or vice versa: check the listener's port and Transport.SASL"},
	UnsupportedVersion:           {"UNSUPPORTED_VERSION", false, "the broker does not know this version of the request"},
	InvalidRequest:               {"INVALID_REQUEST", false, "the broker found the request malformed"},
	OutOfOrderSequence:           {"OUT_OF_ORDER_SEQUENCE_NUMBER", true, "the broker lacks earlier records of this producer: the partition, or a replica, has lost records"},
	DuplicateSequence:            {"DUPLICATE_SEQUENCE_NUMBER", false, "the broker has the batch already"},
	InvalidProducerEpoch:         {"INVALID_PRODUCER_EPOCH", false, "a newer producer has the same id, or the transaction took longer than its timeout"},
	InvalidTxnState:              {"INVALID_TXN_STATE", false, "the transaction's state does not allow this; its timeout may have ended it"},
	InvalidProducerIDMapping:     {"INVALID_PRODUCER_ID_MAPPING", false, "the coordinator no longer knows this producer (transactional.id.expiration.ms)"},
	InvalidTransactionTimeout:    {"INVALID_TRANSACTION_TIMEOUT", false, "the transaction timeout exceeds the broker's transaction.max.timeout.ms"},
	ConcurrentTransactions:       {"CONCURRENT_TRANSACTIONS", true, "the previous transaction has not ended yet"},
	TransactionalIDAuth:          {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", false, "the user may not use this transactional id: give it WRITE and DESCRIBE on it"},
	StorageError:                 {"KAFKA_STORAGE_ERROR", true, "the broker's disk failed"},
	SASLAuthentication:           {"SASL_AUTHENTICATION_FAILED", false, "the broker refused the credentials"},
	UnknownProducerID:            {"UNKNOWN_PRODUCER_ID", true, "the broker no longer knows this producer: its records were deleted, or it was idle for long"},
	GroupIDNotFound:              {"GROUP_ID_NOT_FOUND", false, "the group does not exist"},
	ListenerNotFound:             {"LISTENER_NOT_FOUND", true, "the partition's leader does not have this listener, or not yet"},
	FencedLeaderEpoch:            {"FENCED_LEADER_EPOCH", true, "the partition has a newer leader than this client knows"},
	UnknownLeaderEpoch:           {"UNKNOWN_LEADER_EPOCH", true, "the broker does not know the new leader epoch yet"},
	UnsupportedCompression:       {"UNSUPPORTED_COMPRESSION_TYPE", false, "the broker cannot return this compression in this version"},
	OffsetNotAvailable:           {"OFFSET_NOT_AVAILABLE", true, "the new leader does not know the high watermark yet"},
	MemberIDRequired:             {"MEMBER_ID_REQUIRED", true, "the group requires a second join, with the member id it returned"},
	GroupMaxSizeReached:          {"GROUP_MAX_SIZE_REACHED", false, "the group is full (group.max.size)"},
	FencedInstanceID:             {"FENCED_INSTANCE_ID", false, "another member joined with the same InstanceID: each running worker needs its own"},
	InvalidRecord:                {"INVALID_RECORD", false, "the topic does not accept such a record: it has no key although cleanup.policy is compact, or its time is out of bounds"},
	UnstableOffsetCommit:         {"UNSTABLE_OFFSET_COMMIT", true, "a transaction that stores offsets of the group is still open"},
	ThrottlingQuotaExceeded:      {"THROTTLING_QUOTA_EXCEEDED", true, "a quota is used up"},
	ProducerFenced:               {"PRODUCER_FENCED", false, "another producer with the same transactional id has taken over: each running worker needs an InstanceID of its own"},
	UnknownTopicID:               {"UNKNOWN_TOPIC_ID", true, "the topic was deleted, or recreated"},
	InconsistentTopicID:          {"INCONSISTENT_TOPIC_ID", true, "the topic was recreated"},
	FencedMemberEpoch:            {"FENCED_MEMBER_EPOCH", false, "the group has a newer epoch, without this member"},
	UnreleasedInstanceID:         {"UNRELEASED_INSTANCE_ID", true, "another member still holds this InstanceID"},
	UnsupportedAssignor:          {"UNSUPPORTED_ASSIGNOR", false, "the broker does not offer this assignor"},
	StaleMemberEpoch:             {"STALE_MEMBER_EPOCH", true, "the member's epoch is behind the group's"},
	TransactionAbortable:         {"TRANSACTION_ABORTABLE", false, "the transaction must be aborted; it can be retried"},
}

// Err returns c as an error, nil for success.
func (c Code) Err() error {
	if c == None {
		return nil
	}
	return c
}

// Name returns the code's name in Kafka's documentation.
func (c Code) Name() string {
	if m, ok := meanings[c]; ok {
		return m.name
	}
	if t := kafka.Error(c).Title(); t != "" {
		return t
	}
	return fmt.Sprintf("error code %d", int16(c))
}

// Retriable reports whether the same request may succeed later.
func (c Code) Retriable() bool { return meanings[c].retriable }

func (c Code) Error() string {
	text := meanings[c].text
	if text == "" {
		text = kafka.Error(c).Description()
	}
	return fmt.Sprintf("%s (%d): %s", c.Name(), int16(c), text)
}

// Is matches kafka-go's constants.
func (c Code) Is(target error) bool {
	k, ok := target.(kafka.Error)
	return ok && int(k) == int(c)
}

// As converts the code to kafka-go's type.
func (c Code) As(target any) bool {
	k, ok := target.(*kafka.Error)
	if ok {
		*k = kafka.Error(c)
	}
	return ok
}

// refused reports whether the broker knows the user and denies access.
func (c Code) refused() bool {
	switch c {
	case TopicAuthorization, GroupAuthorization, ClusterAuthorization, TransactionalIDAuth:
		return true
	}
	return false
}

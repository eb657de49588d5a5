package wire

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// Class is what a code means for its receiver. A code may have several.
type Class uint16

const (
	Retry     Class = 1 << iota // the same request may succeed later
	Denied                      // the user may not do this
	Login                       // the broker does not accept the credentials
	Elsewhere                   // the broker is not, or not yet, the coordinator
	NoTopic                     // the broker does not know the topic, the partition or the id
	Lost                        // the membership in the group is over
	Rejoin                      // the member must join the group's next generation
	Oversize                    // the batch is too large
	Record                      // a single record of the batch may be the cause
	Unwritten                   // nothing of the batch was appended
	Fenced                      // another producer owns the transactional id
	Abort                       // the transaction is over; its records are not the cause
)

type meaning struct {
	name      string
	class     Class
	text, fix string // what happened, and what a user can do about it
}

// meanings has what kafka-go's table lacks: codes above 106, their classes, and advice.
var meanings = map[Code]meaning{
	UnknownServerError:           {"UNKNOWN_SERVER_ERROR", Retry, "the broker failed unexpectedly; see its log", ""},
	OffsetOutOfRange:             {"OFFSET_OUT_OF_RANGE", 0, "the offset is no longer, or not yet, in the partition", ""},
	CorruptMessage:               {"CORRUPT_MESSAGE", Retry | Unwritten, "the broker found a record whose checksum is wrong", ""},
	UnknownTopicOrPartition:      {"UNKNOWN_TOPIC_OR_PARTITION", Retry | NoTopic, "the broker has no such topic or partition, or it was just created", ""},
	LeaderNotAvailable:           {"LEADER_NOT_AVAILABLE", Retry, "the partition has no leader at the moment", ""},
	NotLeader:                    {"NOT_LEADER_OR_FOLLOWER", Retry, "the partition has moved to another broker", ""},
	RequestTimedOut:              {"REQUEST_TIMED_OUT", Retry, "the broker gave up waiting for its replicas", ""},
	BrokerNotAvailable:           {"BROKER_NOT_AVAILABLE", Retry, "the broker is not available", ""},
	ReplicaNotAvailable:          {"REPLICA_NOT_AVAILABLE", Retry, "the replica is not available", ""},
	MessageTooLarge:              {"MESSAGE_TOO_LARGE", Record | Oversize | Unwritten, "the batch is larger than the topic's max.message.bytes", ""},
	OffsetMetadataTooLarge:       {"OFFSET_METADATA_TOO_LARGE", 0, "the text stored with an offset is longer than offset.metadata.max.bytes", ""},
	NetworkException:             {"NETWORK_EXCEPTION", Retry, "the broker lost a connection", ""},
	CoordinatorLoading:           {"COORDINATOR_LOAD_IN_PROGRESS", Retry | Elsewhere | Unwritten, "the coordinator is still loading its groups", ""},
	CoordinatorNotAvailable:      {"COORDINATOR_NOT_AVAILABLE", Retry | Elsewhere | Unwritten, "the group has no coordinator at the moment", ""},
	NotCoordinator:               {"NOT_COORDINATOR", Retry | Elsewhere | Unwritten, "the group's coordinator has moved to another broker", ""},
	InvalidTopic:                 {"INVALID_TOPIC_EXCEPTION", 0, "the topic's name is not valid", ""},
	RecordListTooLarge:           {"RECORD_LIST_TOO_LARGE", Record | Oversize | Unwritten, "the batch is larger than the topic's segment.bytes", ""},
	NotEnoughReplicas:            {"NOT_ENOUGH_REPLICAS", Retry | Unwritten, "fewer replicas are in sync than the topic's min.insync.replicas", ""},
	NotEnoughReplicasAfterAppend: {"NOT_ENOUGH_REPLICAS_AFTER_APPEND", Retry, "fewer replicas are in sync than the topic's min.insync.replicas", ""},
	IllegalGeneration:            {"ILLEGAL_GENERATION", Lost, "the group has a newer generation, without this member", ""},
	InconsistentProtocol:         {"INCONSISTENT_GROUP_PROTOCOL", 0, "the group's members have no balancer in common, or it is not a consumer group", "set Balancers to theirs"},
	InvalidGroupID:               {"INVALID_GROUP_ID", 0, "the group's name is not valid", "choose another one"},
	UnknownMemberID:              {"UNKNOWN_MEMBER_ID", Lost, "the group no longer knows this member", ""},
	InvalidSessionTimeout:        {"INVALID_SESSION_TIMEOUT", 0, "the broker does not allow this session timeout", "set SessionTimeout between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms (6 s and 30 min unless changed)"},
	RebalanceInProgress:          {"REBALANCE_IN_PROGRESS", Retry | Rejoin, "the group is rebalancing", ""},
	InvalidCommitOffsetSize:      {"INVALID_COMMIT_OFFSET_SIZE", Oversize, "the offsets of one request are larger than the offsets topic accepts (max.message.bytes)", ""},
	TopicAuthorization:           {"TOPIC_AUTHORIZATION_FAILED", Denied | Unwritten, "the user may not use this topic", "grant the user DESCRIBE on the topic, and READ to read it or WRITE to write to it"},
	GroupAuthorization:           {"GROUP_AUTHORIZATION_FAILED", Denied | Unwritten, "the user may not use this group", "grant the user READ on the group"},
	ClusterAuthorization:         {"CLUSTER_AUTHORIZATION_FAILED", Denied | Unwritten, "the user may not do this on the cluster", "check the ACLs of the cluster"},
	InvalidTimestamp:             {"INVALID_TIMESTAMP", Record | Unwritten, "the record's time is further from the broker's than the topic allows (message.timestamp.before.max.ms, message.timestamp.after.max.ms)", ""},
	UnsupportedSASLMechanism:     {"UNSUPPORTED_SASL_MECHANISM", Login, "the broker does not offer this SASL mechanism (sasl.enabled.mechanisms)", ""},
	IllegalSASLState:             {"ILLEGAL_SASL_STATE", Login, "the broker expects SASL and got none, or vice versa", "check the listener's port and Transport.SASL"},
	UnsupportedVersion:           {"UNSUPPORTED_VERSION", 0, "the broker does not know this version of the request", "update the broker"},
	InvalidRequest:               {"INVALID_REQUEST", 0, "the broker found the request malformed", ""},
	OutOfOrderSequence:           {"OUT_OF_ORDER_SEQUENCE_NUMBER", Retry | Unwritten | Abort, "the broker lacks earlier records of this producer: the partition, or a replica, has lost records", ""},
	DuplicateSequence:            {"DUPLICATE_SEQUENCE_NUMBER", 0, "the broker has the batch already", ""},
	InvalidProducerEpoch:         {"INVALID_PRODUCER_EPOCH", Unwritten | Fenced | Abort, "a newer producer has the same id, or the transaction took longer than its timeout", ""},
	InvalidTxnState:              {"INVALID_TXN_STATE", Abort, "the transaction's state does not allow this; its timeout may have ended it", ""},
	InvalidProducerIDMapping:     {"INVALID_PRODUCER_ID_MAPPING", Abort, "the coordinator no longer knows this producer (transactional.id.expiration.ms)", ""},
	InvalidTransactionTimeout:    {"INVALID_TRANSACTION_TIMEOUT", 0, "the transaction timeout exceeds the broker's transaction.max.timeout.ms", ""},
	ConcurrentTransactions:       {"CONCURRENT_TRANSACTIONS", Retry | Unwritten | Abort, "the previous transaction has not ended yet", ""},
	TransactionalIDAuth:          {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", Denied | Unwritten, "the user may not use this transactional id", "grant the user WRITE and DESCRIBE on the transactional id"},
	StorageError:                 {"KAFKA_STORAGE_ERROR", Retry, "the broker's disk failed", ""},
	SASLAuthentication:           {"SASL_AUTHENTICATION_FAILED", Login, "the broker refused the credentials", ""},
	UnknownProducerID:            {"UNKNOWN_PRODUCER_ID", Retry | Unwritten | Abort, "the broker no longer knows this producer: its records were deleted, or it was idle for long", ""},
	GroupIDNotFound:              {"GROUP_ID_NOT_FOUND", 0, "the group does not exist", ""},
	ListenerNotFound:             {"LISTENER_NOT_FOUND", Retry, "the partition's leader does not have this listener, or not yet", ""},
	FencedLeaderEpoch:            {"FENCED_LEADER_EPOCH", Retry, "the partition has a newer leader than this client knows", ""},
	UnknownLeaderEpoch:           {"UNKNOWN_LEADER_EPOCH", Retry, "the broker does not know the new leader epoch yet", ""},
	UnsupportedCompression:       {"UNSUPPORTED_COMPRESSION_TYPE", 0, "the broker cannot return this compression in this version", ""},
	OffsetNotAvailable:           {"OFFSET_NOT_AVAILABLE", Retry, "the new leader does not know the high watermark yet", ""},
	MemberIDRequired:             {"MEMBER_ID_REQUIRED", Retry, "the group requires a second join, with the member id it returned", ""},
	GroupMaxSizeReached:          {"GROUP_MAX_SIZE_REACHED", 0, "the group is full", "raise the broker's group.max.size, or run fewer workers"},
	FencedInstanceID:             {"FENCED_INSTANCE_ID", Lost, "another member joined with the same InstanceID", "give each running worker its own"},
	InvalidRecord:                {"INVALID_RECORD", Record | Unwritten, "the topic does not accept such a record: it has no key although cleanup.policy is compact, or its time is out of bounds", ""},
	UnstableOffsetCommit:         {"UNSTABLE_OFFSET_COMMIT", Retry, "a transaction that stores offsets of the group is still open", ""},
	ThrottlingQuotaExceeded:      {"THROTTLING_QUOTA_EXCEEDED", Retry | Unwritten, "a quota is used up", ""},
	ProducerFenced:               {"PRODUCER_FENCED", Fenced | Abort, "another producer with the same transactional id has taken over", "give each running worker an InstanceID of its own"},
	UnknownTopicID:               {"UNKNOWN_TOPIC_ID", Retry | NoTopic, "the topic was deleted, or recreated", ""},
	InconsistentTopicID:          {"INCONSISTENT_TOPIC_ID", Retry, "the topic was recreated", ""},
	FencedMemberEpoch:            {"FENCED_MEMBER_EPOCH", Lost, "the group has a newer epoch, without this member", ""},
	UnreleasedInstanceID:         {"UNRELEASED_INSTANCE_ID", Retry, "another member still holds this InstanceID", ""},
	UnsupportedAssignor:          {"UNSUPPORTED_ASSIGNOR", 0, "the broker does not offer this assignor", ""},
	StaleMemberEpoch:             {"STALE_MEMBER_EPOCH", Retry | Rejoin, "the member's epoch is behind the group's", ""},
	TransactionAbortable:         {"TRANSACTION_ABORTABLE", Abort, "the transaction must be aborted; it can be retried", ""},
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

// In reports whether the code has any of those classes.
func (c Code) In(any Class) bool { return meanings[c].class&any != 0 }

// OfPartition reports whether a code in the answer to one partition's offset is about that
// partition or its topic alone, and no retry may help. Brokers answer each partition with what they
// hold against the group or the producer.
func (c Code) OfPartition() bool {
	switch c {
	case None, GroupAuthorization, ClusterAuthorization, TransactionalIDAuth, InvalidGroupID, GroupIDNotFound, InconsistentProtocol, UnsupportedVersion:
		return false
	}
	return !c.In(Retry | Lost | Rejoin | Fenced | Abort)
}

// Fix returns what a user can do about it; empty: nothing in general.
func (c Code) Fix() string { return meanings[c].fix }

// CodeOf returns the code that err wraps; None if there is none.
func CodeOf(err error) (c Code) {
	errors.As(err, &c)
	return c
}

// Outcome returns the code of a response as a whole; None if only its parts have codes.
func Outcome(resp kmsg.Response) Code { return outcome(reflect.ValueOf(resp).Elem()) }

func outcome(response reflect.Value) Code {
	if code := response.FieldByName("ErrorCode"); code.IsValid() {
		return Code(code.Int())
	}
	return None
}

func (c Code) Error() string {
	text := meanings[c].text
	if text == "" {
		text = kafka.Error(c).Description()
	}
	if fix := c.Fix(); fix != "" {
		text += ": " + fix
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

// Package kafkaerr holds the errors of source.Kafka, sink.Kafka and sink.KafkaTransaction: the
// errors that Run returns, and those in a Failure, a halt or an event. Match them with errors.As:
//
//	var auth *kafkaerr.AuthError
//	if errors.As(err, &auth) { … }
//
// The code in each text, such as [LW304], is a section of docs/errors.md.
//
// They wrap the broker's error code, which matches the constants of kafka-go: errors.Is(err,
// kafka.TopicAuthorizationFailed). errors.As finds it as a kafka.Error.
package kafkaerr

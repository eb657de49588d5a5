// Package kafkaerr has the errors of source.Kafka, sink.Kafka and sink.KafkaTransaction: what Run
// returns, and what a Failure, a halt or an event holds. Match them with errors.As:
//
//	var auth *kafkaerr.AuthError
//	if errors.As(err, &auth) { … }
//
// A broker's own answer is inside them, and matches the constants of kafka-go:
// errors.Is(err, kafka.TopicAuthorizationFailed). errors.As finds it as a kafka.Error.
package kafkaerr

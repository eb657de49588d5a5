package batch

import (
	"errors"
	"fmt"
)

var (
	// ErrChecksum: the bytes are not those that were written.
	ErrChecksum = errors.New("the checksum (CRC-32C) of the record batch is wrong: it was damaged on disk or on its way")
	// ErrMalformed: lengths, counts or offsets inside contradict each other.
	ErrMalformed = errors.New("the record batch is malformed")
)

// FormatError is a batch in a format that is not read.
type FormatError struct{ Magic int8 }

func (e *FormatError) Error() string {
	if e.Magic < 2 {
		return fmt.Sprintf("message format v%d, from before Kafka 0.11, is not supported: copy the topic with a newer client, or raise its message.format.version and let old segments expire", e.Magic)
	}
	return fmt.Sprintf("message format v%d is newer than this client", e.Magic)
}

// CompressionError is a batch that cannot be decompressed.
type CompressionError struct {
	Codec string
	Err   error
}

func (e *CompressionError) Error() string { return fmt.Sprintf("decompressing %s: %v", e.Codec, e.Err) }
func (e *CompressionError) Unwrap() error { return e.Err }

// TooLargeError is a batch that decompresses to more than is allowed: a mistake, or a bomb.
type TooLargeError struct{ Limit int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("it decompresses to more than %d bytes: raise KafkaConfig.MaxDecompressed if batches of that size are meant", e.Limit)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

package batch

import (
	"errors"
	"fmt"
)

var (
	// ErrChecksum says that the bytes are not the ones that were written.
	ErrChecksum = errors.New("wrong checksum (CRC-32C): the record batch was damaged on disk or in transit")
	// ErrMalformed says that lengths, counts or offsets in the batch contradict each other.
	ErrMalformed = errors.New("malformed record batch")
)

// FormatError reports a batch in an unsupported format.
type FormatError struct{ Magic int8 }

func (e *FormatError) Error() string {
	if e.Magic < 2 {
		return fmt.Sprintf("message format v%d, from before Kafka 0.11, is not supported: copy the topic with a newer client, or raise its message.format.version and let old segments expire", e.Magic)
	}
	return fmt.Sprintf("message format v%d is newer than this client", e.Magic)
}

// CompressionError reports a batch that cannot be decompressed.
type CompressionError struct {
	Codec string
	Err   error
}

func (e *CompressionError) Error() string { return fmt.Sprintf("decompressing %s: %v", e.Codec, e.Err) }
func (e *CompressionError) Unwrap() error { return e.Err }

// TooLargeError reports a batch that decompresses to more than the limit: a wrong setting, or a
// bomb.
type TooLargeError struct{ Limit int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the batch decompresses to more than %d bytes: raise KafkaConfig.MaxDecompressed if batches this large are intended", e.Limit)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

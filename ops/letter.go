package ops

import (
	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/segmentio/kafka-go"
)

// Letter holds the headers that sink.DeadLetter adds to a record: where it came from, what failed
// and why, and how often it was sent back.
type Letter = deadletter.Letter

// LetterOf reads the headers that sink.DeadLetter added. It fails if they are missing.
func LetterOf(m kafka.Message) (Letter, error) { return deadletter.Read(m.Headers) }

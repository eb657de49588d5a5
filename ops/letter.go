package ops

import (
	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/segmentio/kafka-go"
)

// Letter is what a record written by sink.DeadLetter says of itself: its origin, what failed and
// why, and how often it was sent back.
type Letter = deadletter.Letter

// LetterOf reads the headers that sink.DeadLetter added. It fails if they are missing.
func LetterOf(m kafka.Message) (Letter, error) { return deadletter.Read(m.Headers) }

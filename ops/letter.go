package ops

import (
	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/segmentio/kafka-go"
)

// Letter is what a record that sink.DeadLetter wrote says of itself: where it came from, what
// failed, why, and how often it was sent back.
type Letter = deadletter.Letter

// LetterOf reads the headers that sink.DeadLetter added. It is an error where there are none.
func LetterOf(m kafka.Message) (Letter, error) { return deadletter.Read(m.Headers) }

package wire

import "github.com/twmb/franz-go/pkg/kmsg"

// Capped is a request in no later version than Max.
type Capped struct {
	kmsg.Request
	Max int16
}

// MaxVersion implements kmsg.Request.
func (c Capped) MaxVersion() int16 { return min(c.Max, c.Request.MaxVersion()) }

// Offsets are stored and fetched by the names of topics up to these versions, and by their ids
// alone in later ones.
const (
	CommitsByName            = 9
	FetchesOffsetsByName     = 9
	transactionCommitsByName = 5
)

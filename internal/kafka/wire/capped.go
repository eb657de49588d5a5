package wire

import "github.com/twmb/franz-go/pkg/kmsg"

// Capped is a request limited to version Max.
type Capped struct {
	kmsg.Request
	Max int16
}

// MaxVersion implements kmsg.Request.
func (c Capped) MaxVersion() int16 { return min(c.Max, c.Request.MaxVersion()) }

// Up to these versions, offsets are stored and fetched by topic name; later versions use topic ids
// alone.
const (
	CommitsByName            = 9
	FetchesOffsetsByName     = 9
	transactionCommitsByName = 5
)

package conformance

import (
	"context"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// Spy is the Intake of a source that shows its assignments to a test.
type Spy struct {
	*stream.Intake[kafka.Message]
	Assigned func(stream.Assignment)
}

// Assign shows the assignments and passes them on.
func (s Spy) Assign(ctx context.Context, as ...stream.Assignment) ([]*stream.Partition[kafka.Message], error) {
	for _, a := range as {
		s.Assigned(a)
	}
	return s.Intake.Assign(ctx, as...)
}

package streamtest

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// WithMeta returns a context in which MetaOf and MetasOf find the given lineage, for testing a
// handler alone. Several metas stand for a batch.
func WithMeta(ctx context.Context, metas ...stream.Meta) context.Context {
	return stream.ContextWithMeta(ctx, metas...)
}

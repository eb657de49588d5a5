package sink

import (
	"context"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestCoalesceJoin(t *testing.T) {
	t.Run("joins no write whose context has ended", func(t *testing.T) {
		c := Coalesce(Func(func(context.Context, []stream.Out[string]) error { return nil }), 2, time.Second).(*coalesced[string])
		lost, end := context.WithCancel(t.Context())
		j, _, _ := c.join(lost, make([]stream.Out[string], 1))
		end()
		c.leave(j) // while gather has not noticed yet
		if j, _, _ := c.join(t.Context(), make([]stream.Out[string], 1)); j.ctx.Err() != nil {
			t.Errorf("a write joined a cancelled one: %v", j.ctx.Err())
		}
	})
}

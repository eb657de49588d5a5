package demo

import (
	"context"
	"time"
)

// Watch shows a changing status until ctx ends.
func (d *Demo) Watch(ctx context.Context, status func() string) {
	tick := time.NewTicker(d.screen.interval())
	defer tick.Stop()
	defer d.screen.show("")
	for {
		select {
		case <-tick.C:
			d.screen.show(status())
		case <-ctx.Done():
			return
		}
	}
}

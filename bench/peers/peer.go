package main

import (
	"context"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"
)

// peer is one way to read Kafka. consume reads the job's topic as a member of its group, from the
// beginning, and calls handle for each record, until ctx ends; then it commits what was handled,
// leaves and returns.
type peer struct {
	name     string
	library  string // the module it is
	settings string // as its documents say; printed with the results
	beside   string // what it works on side by side where work is by key
	failure  string // what its user has for a record that fails
	byKey    bool   // it takes part only in works by key
	consume  func(ctx context.Context, j job, handle handler) error

	// command replaces consume for a peer that is not a Go program. Its process does what [serve]
	// does.
	command func(ctx context.Context, j job) (*exec.Cmd, error)
}

var peers = []peer{laneway, franz, parallelConsumer, saramaGroup, watermillSubscriber, reader}

// version is the library's, as it was built into this program.
func (p peer) version() string {
	if p.command != nil {
		return parallelConsumerVersion
	}
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range info.Deps {
			if m.Path == p.library && m.Version != "(devel)" && !strings.HasPrefix(m.Version, "v0.0.0") {
				return m.Version
			}
		}
	}
	return "this tree"
}

// again calls handle until it succeeds, and reports whether it did before ctx ended: what is left
// to a loop that has no word for a record that fails and must lose none.
func again(ctx context.Context, handle handler, partition int32, offset int64, value []byte) bool {
	for handle(partition, offset, value) != nil {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

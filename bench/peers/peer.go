package main

import (
	"context"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"
)

// peer is one way to read Kafka. consume reads the job's topic from the beginning, as a member of
// its group, and calls handle for each record until ctx ends. Then it commits the handled records,
// leaves the group and returns.
type peer struct {
	name     string
	library  string // the module
	settings string // from its documentation; printed with the results
	beside   string // what it runs side by side when a work is keyed
	failure  string // what its users do about a failing record
	byKey    bool   // it takes part in keyed works only
	consume  func(ctx context.Context, j job, handle handler) error

	// command replaces consume for a peer that is not a Go program. Its process does the same as
	// [serve].
	command func(ctx context.Context, j job) (*exec.Cmd, error)
}

var peers = []peer{laneway, franz, parallelConsumer, saramaGroup, watermillSubscriber, reader}

// version returns the version of the library built into this program.
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

// again calls handle until it succeeds, and reports whether it did before ctx ended. A loop without
// a feature for failing records has no other way to lose none.
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

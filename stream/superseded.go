package stream

import (
	"context"
	"errors"
)

type ownersKey struct{}

func withOwners(ctx context.Context, owners map[TopicPartition]*part) context.Context {
	return context.WithValue(ctx, ownersKey{}, owners)
}

// Superseded reports whether the assignment of an offset has ended. ctx is that of Source.Commit.
// While a commit is in flight, the partition can be lost, processed by another member and assigned
// to this one again. Committing the old offset would then rewind the group.
//
// A source that has no other fence calls it after it has checked that it owns the partition, and
// before it stores the offset. It leaves a superseded offset out and returns no error for it.
func Superseded(ctx context.Context, tp TopicPartition) bool {
	owners, _ := ctx.Value(ownersKey{}).(map[TopicPartition]*part)
	p := owners[tp]
	return p != nil && p.status().isReleased()
}

// store commits positions through the source.
func (in *inlet) store(ctx context.Context, positions map[*part]Position) error {
	owners, outside := make(map[TopicPartition]*part, len(positions)), make(map[TopicPartition]Position, len(positions))
	for p, at := range positions {
		tp := p.tp.outside()
		owners[tp], outside[tp] = p, at
	}
	err := in.commit(withOwners(ctx, owners), outside)
	var some *CommitError
	if in.id == "" || !errors.As(err, &some) {
		return err
	}
	inside := &CommitError{Errs: make(map[TopicPartition]error, len(some.Errs))}
	for tp, e := range some.Errs {
		inside.Errs[in.inside(tp)] = e
	}
	return inside
}

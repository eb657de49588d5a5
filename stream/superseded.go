package stream

import "context"

type ownersKey struct{}

func withOwners(ctx context.Context, owners map[TopicPartition]*part) context.Context {
	return context.WithValue(ctx, ownersKey{}, owners)
}

// Superseded reports whether the assignment that an offset belongs to has ended since. ctx is that
// of a Source's Commit. A partition can be lost, read by another member and assigned here again
// while the request is on its way; committing the old offset would rewind the group.
//
// A source without another fence asks after it has checked that the partition is its own, and
// before it stores the offset. It leaves a superseded offset out, without an error.
func Superseded(ctx context.Context, tp TopicPartition) bool {
	owners, _ := ctx.Value(ownersKey{}).(map[TopicPartition]*part)
	p := owners[tp]
	return p != nil && p.status().isReleased()
}

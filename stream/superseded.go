package stream

import "context"

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

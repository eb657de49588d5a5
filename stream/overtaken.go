package stream

import "context"

type ownersKey struct{}

func withOwners(ctx context.Context, owners map[TopicPartition]*part) context.Context {
	return context.WithValue(ctx, ownersKey{}, owners)
}

// Overtaken reports, in the context of a Source's Commit, whether the assignment that an offset is of has ended since. A partition can be lost, read on by
// another and assigned here anew while the request is on its way: its old offset would take the group back then. A source that fences no such request in
// another way asks once it has seen that the partition is its own, and before it stores; what is overtaken it leaves out without an error.
func Overtaken(ctx context.Context, tp TopicPartition) bool {
	owners, _ := ctx.Value(ownersKey{}).(map[TopicPartition]*part)
	p := owners[tp]
	return p != nil && p.status().isReleased()
}

package source

import (
	"context"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// Replay runs a chain over c.Partitions, instead of the source that it begins with: to handle
// records again after a mistake, beside the workers that run.
//
//	err := worker.Run(ctx, source.Replay(source.KafkaConfig{Brokers: brokers, Partitions: spans}))
//
// The chain stays as it is: its steps, order, degree and policies. Its commits succeed and are
// stored nowhere, so that no group is touched. If each Span has an end, Run returns after the last
// record; a record that was halted or parked is in its error. A Replay that ends early begins anew.
//
// Build refuses it with a Group, and above CommitWith, which would store the offsets of the replay
// as those of the group. A chain that begins at a Merge has several sources, and no Replay.
func Replay(c KafkaConfig) stream.Option {
	return stream.ReplaceSource(func() stream.Source[kafka.Message] {
		s := newKafkaSource(c)
		s.stateBytes.Store(int64(wire.StateBytes)) // a chain that needs a state gets what a group would store
		return replay{s}
	})
}

// replay is a source of Partitions that takes commits, and forgets them. It is no Rereader: it ends
// with its last record, and its client with it.
type replay struct{ src *kafkaSource }

func (r replay) Run(ctx context.Context, in *stream.Intake[kafka.Message]) error {
	return r.src.Run(ctx, in)
}

func (r replay) Commit(ctx context.Context, positions map[stream.TopicPartition]stream.Position) error {
	return r.src.Commit(ctx, positions)
}

func (r replay) Info() stream.SourceInfo {
	info := r.src.Info()
	info.Name = "replay of " + info.Name
	info.MustCommit, info.NoCommit = false, ""
	info.NoCommitWith = "a replay stores no offsets, and a transaction would store them as the group's"
	if r.src.cfg.Group != "" || len(r.src.cfg.Topics) > 0 {
		info.Faults = append(info.Faults, &stream.BuildError{Code: "LW141", Step: "source.Replay", What: "a replay has no group", Fix: "leave Group and Topics out, and set Partitions"})
	}
	return info
}

package source

import (
	"context"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// Replay runs a chain over c.Partitions instead of its own source, to process records again after a
// mistake. The workers of the group keep running beside it.
//
//	err := worker.Run(ctx, source.Replay(source.KafkaConfig{Brokers: brokers, Partitions: spans}))
//
// Steps, order, degree and policies of the chain stay as they are. Its commits succeed but are
// stored nowhere, so no group changes. If each Span has an end, Run returns after the last record;
// its error names a record that was halted or parked. A Replay that ends early has to start over.
//
// Build refuses Replay with a Group, with CommitWith, whose transactions would store the offsets as
// the group's, and for a chain that starts with a Merge.
func Replay(c KafkaConfig) stream.Option {
	return stream.ReplaceSource(func() stream.Source[kafka.Message] {
		s := newKafkaSource(c)
		s.stateBytes.Store(int64(wire.StateBytes)) // a chain that needs a state gets what a group would store
		return replay{s}
	})
}

// replay is a source of Partitions that takes commits and stores them nowhere. It is no Rereader:
// it ends with its last record, and its client with it.
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

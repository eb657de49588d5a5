package group

import (
	"cmp"
	"iter"
	"slices"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// states limits the sizes of the states sent with offsets, so that no offset fails for its own
// state or for another's:
//
//   - A request carries at most requestBytes of metadata. A request that a broker still finds too
//     large is halved, down to one partition.
//   - A state larger than any stored one is sent in its own request. When an older broker refuses
//     one partition of many, it leaves that offset pending, and a fetch of stable offsets waits for
//     it (KAFKA-16371).
//   - A refused state is left out, and the offset is sent again at once. If that is stored, the
//     limit is from then on half the state's size, or the size of the largest stored state.
//
// Only Commit uses it, which does not run concurrently.
type states struct {
	stored  int                                                // largest size stored
	limit   int                                                // larger states are left out
	refused func(tp wire.TopicPartition, limit int, err error) // called for each refusal
}

// requestBytes keeps a request's batch of offsets below the 1 MB that a topic accepts by default.
const requestBytes = 512 << 10

// refusedState is a position refused for its size, and the error code.
type refusedState struct {
	at   Position
	code wire.Code
	own  bool // by its own size, not by that of its request
}

// requests splits positions into requests, as far as the sizes are known by then.
func (s *states) requests(positions map[wire.TopicPartition]Position) iter.Seq[map[wire.TopicPartition]Position] {
	tps := make([]wire.TopicPartition, 0, len(positions))
	for tp := range positions {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, func(a, b wire.TopicPartition) int {
		return cmp.Or(cmp.Compare(len(positions[b].State), len(positions[a].State)), wire.TopicPartition.Compare(a, b))
	})
	return func(yield func(map[wire.TopicPartition]Position) bool) {
		one, size := map[wire.TopicPartition]Position{}, 0
		for _, tp := range tps {
			at := positions[tp]
			if len(at.State) > s.limit {
				at.State = ""
			}
			if len(at.State) > s.stored {
				if !yield(map[wire.TopicPartition]Position{tp: at}) {
					return
				}
				continue
			}
			n := len(at.State) + wire.NoteBytes
			if size+n > requestBytes {
				if !yield(one) {
					return
				}
				one, size = map[wire.TopicPartition]Position{}, 0
			}
			one[tp] = at
			size += n
		}
		if len(one) > 0 {
			yield(one)
		}
	}
}

// headerBytes is more than a state without runs has. Such a state is not refused for its size.
const headerBytes = 100

// tooLarge reports whether a position, one of n in a request, may have been refused for its size.
func (s *states) tooLarge(at Position, n int, code wire.Code) bool {
	switch {
	case code == wire.OffsetMetadataTooLarge:
		return at.State != ""
	case code.In(wire.Oversize):
		return n > 1 || at.State != ""
	// from brokers 4.0 on: a batch that is too large, or anything else
	case code == wire.UnknownServerError:
		return n > 1 || len(at.State) > max(s.stored, headerBytes)
	}
	return false
}

// smaller returns the requests that replace the refused positions of a request.
func smaller(refused map[wire.TopicPartition]refusedState) (requests []map[wire.TopicPartition]Position) {
	bare, rest := map[wire.TopicPartition]Position{}, []wire.TopicPartition(nil)
	for tp, r := range refused {
		if r.own {
			r.at.State = ""
			bare[tp] = r.at
		} else {
			rest = append(rest, tp)
		}
	}
	if len(bare) > 0 {
		requests = append(requests, bare)
	}
	slices.SortFunc(rest, wire.TopicPartition.Compare)
	for half := range slices.Chunk(rest, max((len(rest)+1)/2, 1)) {
		one := make(map[wire.TopicPartition]Position, len(half))
		for _, tp := range half {
			one[tp] = refused[tp].at
		}
		requests = append(requests, one)
	}
	return requests
}

// keep records that a state of that size was stored.
func (s *states) keep(size int) { s.stored = max(s.stored, size) }

// refuse records that a state was refused, and its offset stored without it.
func (s *states) refuse(tp wire.TopicPartition, r refusedState) {
	size := len(r.at.State)
	if s.stored >= size { // the brokers' limit was lowered
		s.stored = 0
	}
	s.limit = min(s.limit, max(s.stored, size/2))
	s.refused(tp, s.limit, r.code)
}

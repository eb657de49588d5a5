package group

import (
	"cmp"
	"iter"
	"slices"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// states is how large the states are that go with offsets, so that no offset fails for its state
// and none for another's:
//
//   - A request carries requestBytes of metadata at most. One that a broker finds too large all the
//     same is halved, down to one partition.
//   - A state larger than any that was stored goes in a request of its own. An older broker that
//     refuses one partition of many leaves its offset pending, and a fetch of stable offsets waits
//     for that (KAFKA-16371).
//   - A state that is refused is left out, and the offset sent again at once. From then on states
//     of half its size are tried, or as large as one that was stored.
//
// It is Commit's own, of which there is one at a time.
type states struct {
	stored int                               // the largest that was
	limit  int                               // larger ones are left out
	told   func(tp TP, limit int, err error) // of what is refused
}

// requestBytes keeps the batch of a request's offsets below the 1 MB that a topic takes by default.
const requestBytes = 512 << 10

// refusedState is a position that was refused for its size, and how.
type refusedState struct {
	at   Position
	code wire.Code
}

// requests parts positions into those of one request each, as far as the sizes are known by then.
func (s *states) requests(positions map[TP]Position) iter.Seq[map[TP]Position] {
	tps := make([]TP, 0, len(positions))
	for tp := range positions {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, func(a, b TP) int {
		return cmp.Or(cmp.Compare(len(positions[b].State), len(positions[a].State)), compareTP(a, b))
	})
	return func(yield func(map[TP]Position) bool) {
		one, size := map[TP]Position{}, 0
		for _, tp := range tps {
			at := positions[tp]
			if len(at.State) > s.limit {
				at.State = ""
			}
			if len(at.State) > s.stored {
				if !yield(map[TP]Position{tp: at}) {
					return
				}
				continue
			}
			n := len(at.State) + wire.NoteBytes
			if size+n > requestBytes {
				if !yield(one) {
					return
				}
				one, size = map[TP]Position{}, 0
			}
			one[tp] = at
			size += n
		}
		if len(one) > 0 {
			yield(one)
		}
	}
}

// tooLarge reports whether a position, one of n in a request, may have been refused for a size.
func (s *states) tooLarge(at Position, n int, code wire.Code) bool {
	switch code {
	case wire.OffsetMetadataTooLarge:
		return at.State != ""
	case wire.InvalidCommitOffsetSize, wire.MessageTooLarge, wire.RecordListTooLarge:
		return n > 1 || at.State != ""
	case wire.UnknownServerError: // which brokers from 4.0 on say of a batch that is too large
		return n > 1 || len(at.State) > s.stored
	}
	return false
}

// smaller is what to send in place of what was refused of a request of n positions.
func (s *states) smaller(n int, refused map[TP]refusedState) (requests []map[TP]Position) {
	bare, rest := map[TP]Position{}, []TP(nil)
	for tp, r := range refused {
		if n > 1 && r.code != wire.OffsetMetadataTooLarge {
			rest = append(rest, tp)
			continue
		}
		s.refuse(len(r.at.State))
		s.told(tp, s.limit, r.code)
		r.at.State = ""
		bare[tp] = r.at
	}
	if len(bare) > 0 {
		requests = append(requests, bare)
	}
	slices.SortFunc(rest, compareTP)
	for half := range slices.Chunk(rest, max((len(rest)+1)/2, 1)) {
		one := make(map[TP]Position, len(half))
		for _, tp := range half {
			one[tp] = refused[tp].at
		}
		requests = append(requests, one)
	}
	return requests
}

// keep notes that a state of that size was stored.
func (s *states) keep(size int) { s.stored = max(s.stored, size) }

// refuse notes that one of that size was not.
func (s *states) refuse(size int) {
	if s.stored >= size { // the brokers' limit was lowered
		s.stored = 0
	}
	s.limit = min(s.limit, max(s.stored, size/2))
}

package main

import (
	"math"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/resume"
)

// The defaults of a pipeline, as docs/capacity.md has them.
const (
	maxInFlight      = 4096
	maxFinishedAhead = 1_000_000
	maxBytes         = 64 << 20
	leastShare       = 1 << 20  // of MaxBytes that a partition has
	largestState     = 64 << 10 // that Laneway stores with an offset
)

// load is what one replica is to work on. Its methods are the formulas of docs/capacity.md.
type load struct {
	Rate       float64       `json:"rate"` // records a second
	Time       time.Duration `json:"timeNanoseconds"`
	Size       int           `json:"size"` // bytes of a record
	Partitions int           `json:"partitions"`
	Parked     int           `json:"parked"`        // keys, over all partitions
	Metadata   int           `json:"metadataBytes"` // offset.metadata.max.bytes
}

// atWork is how many records are at work at a time.
func (l load) atWork() float64 { return l.Rate * float64(l.Time) / float64(time.Second) }

// degree is at work, and a third more for the scatter of the handler's time.
func (l load) degree() int { return whole(l.atWork() * 4 / 3) }

// perKey is how many records a second one key handles, below GroupByKey.
func (l load) perKey() float64 { return float64(time.Second) / float64(l.Time) }

// payload is the most that records in flight hold.
func (l load) payload() int { return l.Partitions * l.share() }

// share is the most that the records of a partition hold. It may always have one.
func (l load) share() int { return max(leastShare, maxBytes/l.Partitions, l.Size) }

// memory is twice the payload, for the collector, and what handlers hold.
func (l load) memory() int { return 2*l.payload() + l.degree()*l.Size }

// container is the memory limit of which GOMEMLIMIT is nine tenths.
func (l load) container() int { return whole(float64(l.memory()) * 10 / 9) }

// inFlight is how many records are read before their partitions are full.
func (l load) inFlight() int { return l.Partitions * min(maxInFlight, l.share()/max(l.Size, 1)) }

// outage is how long all records may wait until nothing more is read.
func (l load) outage() time.Duration {
	return time.Duration(min(float64(l.inFlight())/l.Rate*float64(time.Second), math.MaxInt64))
}

// state is how large the resume state of a partition may be.
func (l load) state() int { return min(max(l.Metadata-wire.NoteBytes, 0), largestState) }

// ahead is how many offsets above the watermark may finish in any order.
func (l load) ahead() int { return int(max(resume.Room(l.state(), 0, 0, 0, -1), 0)) }

// unfinished is how many records of a partition may be unfinished beyond that.
func (l load) unfinished() (n int) {
	for resume.Room(l.state(), maxFinishedAhead, n+1, 0, -1) > 0 {
		n++
	}
	return n
}

// lanes is how many keys of a partition may be parked and set aside.
func (l load) lanes() int { return resume.Lanes(l.state()) }

// parkedEach is how many parked keys a partition has, if they are spread evenly.
func (l load) parkedEach() int { return (l.Parked + l.Partitions - 1) / l.Partitions }

// metadataNeeded is the smallest offset.metadata.max.bytes, in steps of 1 KiB, for all parked keys;
// 0: none is large enough.
func (l load) metadataNeeded() int {
	for l.Metadata = 1 << 10; l.lanes() < l.parkedEach(); l.Metadata += 1 << 10 {
		if l.state() == largestState {
			return 0
		}
	}
	return l.Metadata
}

// whole rounds up, but not what is whole but for the error of floating point.
func whole(x float64) int { return int(math.Ceil(x - 1e-6)) }

package demo

import (
	"fmt"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"
)

// Recorder remembers which records a handler was given, and when, for checks.
type Recorder struct {
	mu    sync.Mutex // guards calls
	calls []call
}

// call is the start or the end of one call of a handler. All of them are kept in order.
type call struct {
	record kafka.Message
	end    bool
	failed bool
}

// Record notes that a handler was given a record. The returned func notes the end of the call, and
// its error:
//
//	defer rec.Record(m)(&err)
func (r *Recorder) Record(m kafka.Message) (end func(*error)) {
	r.add(call{record: m})
	return func(err *error) { r.add(call{record: m, end: true, failed: *err != nil}) }
}

func (r *Recorder) add(x call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, x)
}

func (r *Recorder) all() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// Offsets returns the offsets handled without an error, by partition, in that order.
func (r *Recorder) Offsets() map[int][]int64 {
	offsets := map[int][]int64{}
	for _, x := range r.all() {
		if x.end && !x.failed {
			offsets[x.record.Partition] = append(offsets[x.record.Partition], x.record.Offset)
		}
	}
	return offsets
}

// Handled returns how many records were handled without an error.
func (r *Recorder) Handled() int { return len(r.handled(false)) }

// Twice returns how many records were handled more than once.
func (r *Recorder) Twice() (n int) {
	for _, times := range r.handled(false) {
		if times > 1 {
			n++
		}
	}
	return n
}

// Failed returns how many records failed at least once.
func (r *Recorder) Failed() int { return len(r.handled(true)) }

func (r *Recorder) handled(failed bool) map[string]int {
	times := map[string]int{}
	for _, x := range r.all() {
		if x.end && x.failed == failed {
			times[Place(x.record)]++
		}
	}
	return times
}

// Lane names the lane of a record. Records of one lane are handled one after another.
type Lane func(kafka.Message) string

func ByPartition(m kafka.Message) string { return fmt.Sprint(m.Partition) }
func ByKey(m kafka.Message) string       { return fmt.Sprintf("%d/%s", m.Partition, m.Key) }

// Peak returns the most lanes that ran at once. With ByPlace, that is the most records.
func (r *Recorder) Peak(by Lane) (most int) {
	running := map[string]int{}
	for _, x := range r.all() {
		if lane := by(x.record); !x.end {
			running[lane]++
			most = max(most, len(running))
		} else if running[lane]--; running[lane] == 0 {
			delete(running, lane)
		}
	}
	return most
}

// OutOfOrder returns the records that started before an earlier one of their lane had ended, or
// after a later one.
func (r *Recorder) OutOfOrder(by Lane) (places []string) {
	type state struct {
		running int
		last    int64
	}
	lanes := map[string]*state{}
	for _, x := range r.all() {
		lane := lanes[by(x.record)]
		if lane == nil {
			lane = &state{last: -1}
			lanes[by(x.record)] = lane
		}
		switch {
		case x.end:
			lane.running--
		case lane.running > 0 || x.record.Offset < lane.last:
			places = append(places, Place(x.record))
			lane.running++
		default:
			lane.running, lane.last = lane.running+1, x.record.Offset
		}
	}
	return places
}

// ByPlace gives each record a lane of its own.
func ByPlace(m kafka.Message) string { return Place(m) }

// Turn is a time in which only one lane ran.
type Turn struct {
	Lane    string
	Records int
}

// Turns returns how lanes took turns, in the order in which their records started.
func (r *Recorder) Turns(by Lane) (turns []Turn) {
	for _, x := range r.all() {
		if x.end {
			continue
		}
		if lane := by(x.record); len(turns) == 0 || turns[len(turns)-1].Lane != lane {
			turns = append(turns, Turn{Lane: lane})
		}
		turns[len(turns)-1].Records++
	}
	return turns
}

package demo

import (
	"fmt"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"
)

// Tape remembers what a handler was given and when, for checks.
type Tape struct {
	mu    sync.Mutex // guards takes
	takes []take
}

// take is one call of a handler. Its times are places in the order of all beginnings and ends.
type take struct {
	record kafka.Message
	end    bool
	failed bool
}

// Take notes that a handler was given a record, and, when what it returns is called, with which
// error it returned:
//
//	defer tape.Take(m)(&err)
func (t *Tape) Take(m kafka.Message) (end func(*error)) {
	t.add(take{record: m})
	return func(err *error) { t.add(take{record: m, end: true, failed: *err != nil}) }
}

func (t *Tape) add(x take) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.takes = append(t.takes, x)
}

func (t *Tape) all() []take {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.takes)
}

// Offsets returns the offsets that were handled without an error, by partition, in that order.
func (t *Tape) Offsets() map[int][]int64 {
	offsets := map[int][]int64{}
	for _, x := range t.all() {
		if x.end && !x.failed {
			offsets[x.record.Partition] = append(offsets[x.record.Partition], x.record.Offset)
		}
	}
	return offsets
}

// Handled is how many records were handled without an error.
func (t *Tape) Handled() int { return len(t.handled(false)) }

// Twice is how many records were handled more than once.
func (t *Tape) Twice() (n int) {
	for _, times := range t.handled(false) {
		if times > 1 {
			n++
		}
	}
	return n
}

// Failed is how many records failed at least once.
func (t *Tape) Failed() int { return len(t.handled(true)) }

func (t *Tape) handled(failed bool) map[string]int {
	times := map[string]int{}
	for _, x := range t.all() {
		if x.end && x.failed == failed {
			times[Place(x.record)]++
		}
	}
	return times
}

// Lane says what records are handled one after another.
type Lane func(kafka.Message) string

func ByPartition(m kafka.Message) string { return fmt.Sprint(m.Partition) }
func ByKey(m kafka.Message) string       { return fmt.Sprintf("%d/%s", m.Partition, m.Key) }

// Peak is how many different lanes were worked on at a time, at most. By place, it is how many
// records.
func (t *Tape) Peak(by Lane) (most int) {
	running := map[string]int{}
	for _, x := range t.all() {
		if lane := by(x.record); !x.end {
			running[lane]++
			most = max(most, len(running))
		} else if running[lane]--; running[lane] == 0 {
			delete(running, lane)
		}
	}
	return most
}

// OutOfOrder returns the records that began before an earlier one of their lane had ended, or after
// a later one.
func (t *Tape) OutOfOrder(by Lane) (places []string) {
	type state struct {
		running int
		last    int64
	}
	lanes := map[string]*state{}
	for _, x := range t.all() {
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

// ByPlace has each record in a lane of its own.
func ByPlace(m kafka.Message) string { return Place(m) }

// Turn is a stretch of time in which only one lane was worked on.
type Turn struct {
	Lane    string
	Records int
}

// Turns is how lanes took turns, in the order in which their records began.
func (t *Tape) Turns(by Lane) (turns []Turn) {
	for _, x := range t.all() {
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

package stream

import (
	"unsafe"

	"github.com/laneway-go/laneway/internal/lane"
)

// A lane's task is the first field of its carrier, and its Kind tells the carrier's type. A pointer
// to the carrier would double the size of a record. Only this file converts a task to its carrier.

const (
	kindOfRecord uint8 = iota
	kindOfElem
	kindOfSlot
	kindOfFlush
	kindOfAgain
)

// elem is an element between two stages.
type elem[T any] struct {
	elemHead
	v T
}

// elemHead is the part of an elem that does not depend on its type.
type elemHead struct {
	lane.Task
	r     *record
	group uint64
}

func (e *elemHead) record() *record { return e.r }
func (e *elemHead) groupID() uint64 { return e.group }
func (e *elemHead) owner() *part    { return e.r.part }

// newElem returns an element for a stage. It reuses one that the stage has processed.
func newElem[T any](to *stage, r *record, group uint64, v *T) *elem[T] {
	e, ok := to.elems.Get().(*elem[T])
	if !ok {
		e = new(elem[T])
		e.Kind = kindOfElem
	}
	e.r, e.group, e.v = r, group, *v
	return e
}

func freeElem[T any](to *stage, e *elem[T]) {
	e.r, e.v = nil, *new(T)
	to.elems.Put(e)
}

func (e *elem[T]) follow(r *record) *lane.Task {
	e.r = r
	return &e.Task
}

// keep removes the members at the given offsets from a batch. It returns false if the value is no
// longer the batch, or if a member has records both inside and outside offsets.
func (e *elem[T]) keep(offsets map[int64]bool) bool {
	var members []int
	for i, m := range e.r.joined.members {
		switch left := len(m.without(offsets)); {
		case left == int(m.size()):
			members = append(members, i)
		case left > 0:
			return false
		}
	}
	v, ok := e.r.joined.subset(e.v, members)
	if ok {
		e.r, e.v = e.r.join(members), v.(T)
	}
	return ok
}

// again is the task of a record that is put back. The record's own task may still be queued in its
// old lane, which drops it.
type again struct {
	lane.Task
	r *record
}

func taskAgain(r *record) *lane.Task {
	a := &again{r: r}
	a.Kind = kindOfAgain
	return &a.Task
}

// Each carrier has its task at offset 0.
var (
	_ [0]struct{} = [unsafe.Offsetof(record{}.Task)]struct{}{}
	_ [0]struct{} = [unsafe.Offsetof(elem[int]{}.elemHead) + unsafe.Offsetof(elemHead{}.Task)]struct{}{}
	_ [0]struct{} = [unsafe.Offsetof(slot{}.Task)]struct{}{}
	_ [0]struct{} = [unsafe.Offsetof(flushTask{}.Task)]struct{}{}
	_ [0]struct{} = [unsafe.Offsetof(again{}.Task)]struct{}{}
)

func carrierOf(t *lane.Task) carrier {
	switch t.Kind {
	case kindOfElem:
		return (*elemHead)(unsafe.Pointer(t))
	case kindOfSlot:
		return (*slot)(unsafe.Pointer(t))
	case kindOfFlush:
		return (*flushTask)(unsafe.Pointer(t))
	case kindOfAgain:
		return (*again)(unsafe.Pointer(t)).r
	}
	return (*record)(unsafe.Pointer(t))
}

// recordOf is carrierOf at the first boundary, where carriers are records.
func recordOf(t *lane.Task) *record {
	if t.Kind == kindOfAgain {
		return (*again)(unsafe.Pointer(t)).r
	}
	return (*record)(unsafe.Pointer(t))
}

// elemOf is carrierOf at every other boundary, for tasks of kindOfElem.
func elemOf[T any](t *lane.Task) *elem[T] { return (*elem[T])(unsafe.Pointer(t)) }

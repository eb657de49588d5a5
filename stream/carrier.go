package stream

import (
	"unsafe"

	"github.com/laneway-go/laneway/internal/lane"
)

// A lane's task is embedded, first, in what it stands for, and its Kind says what that is: a
// pointer back would double the size of a record. Only this file leads from a task to its carrier.

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

// elemHead is what of an elem is the same for all types.
type elemHead struct {
	lane.Task
	r     *record
	group uint64
}

func (e *elemHead) record() *record { return e.r }
func (e *elemHead) groupID() uint64 { return e.group }
func (e *elemHead) owner() *part    { return e.r.part }

// newElem makes an element on its way to a stage, of one that the stage was through with if it has
// any.
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

// keep makes of a batch the batch of its members without those at the given offsets; false: it is
// none any more, or one of its members is so in part.
func (e *elem[T]) keep(offsets map[int64]bool) bool {
	var members []int
	for i, m := range e.r.joint.members {
		switch left := len(m.without(offsets)); {
		case left == int(m.size()):
			members = append(members, i)
		case left > 0:
			return false
		}
	}
	v, ok := e.r.joint.subset(e.v, members)
	if ok {
		e.r, e.v = e.r.join(members), v.(T)
	}
	return ok
}

// again is a record that is put once more: its own task may still lie in a lane that drops it.
type again struct {
	lane.Task
	r *record
}

func taskAgain(r *record) *lane.Task {
	a := &again{r: r}
	a.Kind = kindOfAgain
	return &a.Task
}

// Each has its task first.
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

// recordOf is carrierOf at the first boundary, where elements are records.
func recordOf(t *lane.Task) *record {
	if t.Kind == kindOfAgain {
		return (*again)(unsafe.Pointer(t)).r
	}
	return (*record)(unsafe.Pointer(t))
}

// elemOf is carrierOf at every other boundary.
func elemOf[T any](t *lane.Task) *elem[T] { return (*elem[T])(unsafe.Pointer(t)) }

package lane

// table finds lanes by their id, which is a hash already: open addressing, at most half full. Ids
// stand apart from lanes, so that a search touches no lane but the one it finds.
type table struct {
	ids   []uint64
	lanes []*Lane // nil: the slot is free
	n     int
}

const tableMin = 16

// find returns the lane with an id; nil: there is none.
func (t *table) find(id uint64) *Lane {
	mask := len(t.ids) - 1
	if mask < 0 {
		return nil
	}
	lanes := t.lanes[:len(t.ids)]
	for i := int(id) & mask; ; i = (i + 1) & mask {
		if l := lanes[i]; l == nil || t.ids[i] == id {
			return l
		}
	}
}

// add adds a lane that is not there yet.
func (t *table) add(l *Lane) {
	if 2*t.n >= len(t.ids) {
		t.resize(max(tableMin, 2*len(t.ids)))
	}
	t.put(l)
}

func (t *table) put(l *Lane) {
	mask := len(t.ids) - 1
	i := int(l.ID) & mask
	for t.lanes[i] != nil {
		i = (i + 1) & mask
	}
	t.lanes[i], t.ids[i] = l, l.ID
	t.n++
}

func (t *table) resize(size int) {
	old := t.lanes
	t.lanes, t.ids, t.n = make([]*Lane, size), make([]uint64, size), 0
	for _, l := range old {
		if l != nil {
			t.put(l)
		}
	}
}

// keep forgets the lanes that keeps does not want.
func (t *table) keep(keeps func(*Lane) bool) {
	left := t.n
	for i, l := range t.lanes {
		if l != nil && !keeps(l) {
			t.lanes[i] = nil
			left--
		}
	}
	if left == t.n {
		return
	}
	size := len(t.ids) // built anew: a free slot would end searches for what lies behind it
	for size > tableMin && 8*left < size {
		size /= 2
	}
	t.resize(size)
}

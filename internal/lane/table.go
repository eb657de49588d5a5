package lane

// table finds lanes by id, which is already a hash: open addressing, at most half full. Ids are
// stored apart from lanes, so that a search touches no lane but the one it finds.
type table struct {
	ids   []uint64
	lanes []*Lane // nil marks a free slot
	n     int
}

const tableMin = 16

// find returns the lane with that id, or nil.
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

// add adds a lane that is not in the table.
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

// keep removes the lanes for which keeps returns false.
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
	size := len(t.ids) // rebuilt: a free slot would end the search for a lane behind it
	for size > tableMin && 8*left < size {
		size /= 2
	}
	t.resize(size)
}

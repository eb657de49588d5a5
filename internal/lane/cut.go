package lane

// Stall runs wait. Meanwhile, others may Cut the current lane. Call it on the worker, in Wait or
// without.
func (w *Worker) Stall(wait func()) {
	l := w.lane
	l.stalls(w)
	defer l.stalls(nil)
	wait()
}

func (l *Lane) stalls(w *Worker) {
	if l.loose {
		return
	}
	l.set.mu.Lock()
	l.open = w
	l.set.mu.Unlock()
}

// Queued returns how many tasks are queued in a lane, behind or with the one that runs.
func (s *Set) Queued(id uint64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes.find(id); l != nil {
		return int(l.n.Load())
	}
	return 0
}

// Cut takes tasks out of a lane whose worker is in Stall: those queued behind the last one that
// stays. If no worker is, it takes none.
func (s *Set) Cut(id uint64, stays func(*Task) bool) (cut []*Task) {
	s.mu.Lock()
	l := s.lanes.find(id)
	if l == nil || l.open == nil {
		s.mu.Unlock()
		return nil
	}
	last := l.open.task
	for t := last; t != l.tail; {
		t = t.next
		if cut = append(cut, t); stays(t) {
			last, cut = t, cut[:0]
		}
	}
	if len(cut) > 0 {
		for _, t := range cut {
			t.next = nil
		}
		last.next, l.tail = nil, last
		l.n.Add(-int32(len(cut)))
		l.open.cut = true
	}
	s.mu.Unlock()
	if s.pool.cfg.Count && len(cut) > 0 {
		s.began(int32(len(cut)))
	}
	return cut
}

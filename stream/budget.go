package stream

// leastBytes is the minimum share of MaxBytes that a partition has, so that records of others never
// stop it.
const leastBytes = 1 << 20

// share returns each partition's share of the byte budget. Partitions of an exhausted source are no
// longer fed: the others share what those do not hold.
func (r *run) share() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes := r.opts.bytes
	for _, p := range r.spent {
		_, held := p.led.Held()
		bytes -= held
	}
	return max(leastBytes, bytes/int64(max(1, len(r.list)-len(r.spent))))
}

// exhaust is called when the source is exhausted and others are not. Elements that wait for more of
// its records are flushed.
func (in *inlet) exhaust() {
	in.mu.Lock()
	for _, p := range in.list { // under the lock: one that is lost meanwhile must not stay in spent
		if p.source == in.index {
			in.spent = append(in.spent, p)
		}
	}
	in.mu.Unlock()
	in.ended.Store(true)
	for _, p := range in.all() {
		p.changed() // those of others have larger shares now
	}
}

// yield wakes the other sources to look for room, since an exhausted one may hold less.
func (in *inlet) yield() {
	if !in.ended.Load() {
		return
	}
	for _, p := range in.all() {
		if p.source != in.index {
			p.wakeSource()
		}
	}
}

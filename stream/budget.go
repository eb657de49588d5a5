package stream

// leastBytes is the least share of MaxBytes that a partition has, so that what others hold never
// stops it.
const leastBytes = 1 << 20

// share returns each partition's share of the byte budget. Partitions of an exhausted source are
// fed no more: the others share what these do not hold.
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

// exhaust is called when the source has no more, and others do. What waits for more of it is
// flushed.
func (in *inlet) exhaust() {
	mine := in.parts()
	in.mu.Lock()
	in.spent = append(in.spent, mine...)
	in.mu.Unlock()
	in.ended.Store(true)
	for _, p := range in.all() {
		p.changed() // those of others have larger shares now
	}
}

// yield has the other sources look for room, since an exhausted one may hold less.
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

package stream

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/ledger"
	"github.com/laneway-go/laneway/internal/resume"
)

// After its wait, what was set aside of a lane is read again beside the normal reading: by one
// goroutine for all such lanes of a partition, in one pass. A lane's entry moves with it. Once it
// has come to the position of the normal reading, which then cannot move, the lane joins that.

// backMost is how many records that were read again may be unfinished: beyond MaxInFlight, since
// what fills that up may wait for them.
const backMost = 64

const (
	rereadRetry    = 100 * time.Millisecond
	rereadRetryMax = 5 * time.Second
)

// rereadChunk is what a source has read again.
type rereadChunk struct {
	from, next int64 // it has all records between these offsets
	offsets    []int64
	lanes      []resume.LaneID
	// slabs returns a slab for each of the records with these indexes, or an error
	slabs func(of []int) ([]*ledger.Slab, error)
}

// comeBack has readBack run while there is something to read again.
func (p *part) comeBack() {
	if !p.asides.some.Load() {
		return
	}
	p.mu.Lock()
	starts := !p.asides.reading && p.comesBack()
	p.asides.reading = p.asides.reading || starts
	p.mu.Unlock()
	if starts {
		p.host.spawn(p.readBack)
		return
	}
	p.wakeReadBack()
}

func (p *part) wakeReadBack() {
	select {
	case p.asides.news <- struct{}{}:
	default:
	}
}

// untilStopped is a context that ends with the waits of a partition.
type untilStopped struct {
	context.Context
	stop <-chan struct{}
}

func (c untilStopped) Done() <-chan struct{} { return c.stop }

func (c untilStopped) Err() error {
	select {
	case <-c.stop:
		return context.Canceled
	default:
		return nil
	}
}

// readBack reads lanes again until all have joined the normal reading, or the partition is to read
// nothing more. An error is retried for as long as it takes.
func (p *part) readBack() {
	ctx := untilStopped{p.ctx, p.stopped()}
	c, failures := &rereadChunk{}, 0
	for {
		from, now, ok := p.nextBack()
		switch {
		case !ok:
			p.changed() // a drain may have waited for it
			return
		case ctx.Err() != nil: // a halt has ended meanwhile
			ctx.stop = p.stopped()
			continue
		case !now:
			select {
			case <-p.asides.news:
			case <-ctx.Done():
			}
			continue
		case c.from <= from && from < c.next:
			p.feedBack(c)
			p.changed() // the watermark may have risen
			continue
		}
		got, err := p.host.reread(ctx, p, from)
		if err == nil && got.next > from {
			c, failures = got, 0
			continue
		}
		failures++
		if err != nil && ctx.Err() == nil {
			p.host.emit(SourceEvent{TopicPartition: p.tp, Name: "reread failed", Err: err, Text: fmt.Sprintf("records from offset %d on, of lanes that were set aside, wait for it; it retries", from)})
		}
		timer := time.NewTimer(backoff.Wait(failures, rereadRetry, rereadRetryMax))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// nextBack returns the offset to read again from. Lanes that have come as far as the normal reading
// join it. now is false if there is nothing to read, or no space for it, until p.asides.news; ok is
// false if readBack has to end.
func (p *part) nextBack() (from int64, now, ok bool) {
	var told []SourceEvent
	defer func() {
		for _, e := range told {
			p.host.emit(e)
		}
		if len(told) > 0 {
			p.changed() // the watermark may have risen
		}
	}()
	p.intake.Lock()
	defer p.intake.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	from = math.MaxInt64
	for id, e := range p.asides.lanes {
		back := p.asides.back(id)
		if back {
			p.passUnreadable(e)
		}
		switch {
		case !back:
		case e.from < p.next:
			from = min(from, e.from)
		case e.from == p.next && p.passedEarlier(): // runs ahead would hide records of it
			delete(p.asides.lanes, id)
			told = append(told, SourceEvent{TopicPartition: p.tp, Name: "lane read again", Text: fmt.Sprintf("all that was set aside of a lane was read again: from offset %d on it is read as before", p.next)})
		}
	}
	if len(told) > 0 {
		p.asidesChanged()
		p.storeSoon()
	}
	if !p.comesBack() {
		p.asides.reading = false
		return 0, false, false
	}
	return from, from < p.next && p.insertedMoving() < backMost, true
}

// insertedMoving returns how many records that were read again are unfinished, but for those of
// lanes that stall: what others may read again does not wait for them. The caller holds mu.
func (p *part) insertedMoving() (n int) {
	stalled := p.asides.stalled.lanes()
	for s := range p.led.Inserted {
		m, ok := s.Payload.(values).meta(0)
		if ok && s.Tickets[0].Held() && !(len(stalled) > 0 && stalled[keyHash(m.Key)]) {
			n++
		}
	}
	return n
}

// feedBack feeds the records of lanes that are read again, up to the position of the normal
// reading.
func (p *part) feedBack(c *rereadChunk) {
	p.intake.Lock()
	defer p.intake.Unlock()
	p.mu.Lock()
	room, end := backMost-p.insertedMoving(), min(c.next, p.next)
	back := map[resume.LaneID]int64{}
	for id, e := range p.asides.lanes {
		// not a lane that was released only now: the chunk may lack its first records
		if p.asides.back(id) && c.from <= e.from && e.from < end {
			back[id] = e.from
		}
	}
	p.mu.Unlock()
	var of []int
	var ids []resume.LaneID
	for i, at := range c.offsets {
		if at >= end {
			break
		}
		if from, is := back[c.lanes[i]]; !is || at < from {
			continue
		}
		if len(of) >= room {
			end = at
			break
		}
		of, ids = append(of, i), append(ids, c.lanes[i])
	}
	slabs, err := c.slabs(of)
	if err != nil {
		p.host.fail(fmt.Errorf("the Lineage of a Reread: %w", err))
		return
	}
	for _, s := range p.insert(slabs, ids, back, end) {
		p.host.feed(p, s.Payload.(values))
	}
}

// insert puts records that were read again into the ledger, and moves their lanes to end. A lane
// that waits again meanwhile stays where it is. It returns the slabs that are in the ledger. The
// caller holds intake.
func (p *part) insert(slabs []*ledger.Slab, ids []resume.LaneID, back map[resume.LaneID]int64, end int64) (in []*ledger.Slab) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.status().feeds() {
		return nil
	}
	maps.DeleteFunc(back, func(id resume.LaneID, _ int64) bool { return !p.asides.back(id) })
	for k, s := range slabs {
		if _, still := back[ids[k]]; still {
			e := p.asides.lanes[ids[k]]
			p.led.Insert(s, s.Offset(0) < e.seen)
			e.left.Add(-1)
			p.cameBack(s.Offset(0))
			in = append(in, s)
		}
	}
	for id := range back {
		e := p.asides.lanes[id]
		e.from = max(e.from, end)
	}
	p.asidesChanged()
	return in
}

package stream

import (
	"fmt"
	"reflect"

	"github.com/laneway-go/laneway/internal/ledger"
)

// A record that is parked, or behind a halt, waits long. Its slab keeps the values of up to 256
// records in memory, and the fetches they came in. So once no record of a slab is held, its
// unfinished records are copied out, into a slab of their own.
//
// A slab is at rest if none of its tickets is held. No goroutine works on its records, and only
// reconcile starts them again.

// copyOut copies out what waits in slabs that have come to rest.
func (p *part) copyOut() {
	ss := p.led.Waiting()
	if len(ss) == 0 || p.status().life() != open {
		return
	}
	p.intake.Lock() // a feed may put records of a slab into their lanes
	defer p.intake.Unlock()
	for _, s := range ss {
		if left := s.Idle(); len(left) > 0 && len(left) <= len(s.Tickets)/2 {
			p.copyOutOf(s, left)
		}
	}
}

func (p *part) copyOutOf(s *ledger.Slab, left []int) {
	var by *ledger.Slab
	if err := guarded(func() error { by = s.Payload.(values).copyOut(left); return nil }); err != nil {
		p.host.fail(fmt.Errorf("the CopyOut of a Lineage: %w", err))
	}
	if by == nil {
		return
	}
	p.led.Replace(s, left, by)
	vs := by.Payload.(values)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range by.Tickets {
		m, _ := vs.meta(int32(i))
		p.haltMoves(m, vs.value(int32(i)))
	}
}

// haltMoves makes the halt of a record keep the record's copy. The caller holds mu.
func (p *part) haltMoves(m Meta, record any) {
	if p.halt != nil {
		p.halt.moveTo(m, record)
	}
	for k := range p.parks.index.covering(m.Offset, m.Key) {
		k.moveTo(m, record)
	}
}

// moveTo keeps the copy of the halted record, if it is that record.
func (h *Halt) moveTo(m Meta, record any) {
	if h.Meta.Offset != m.Offset || h.Record == nil { // nil: a restored halt keeps none
		return
	}
	if reflect.DeepEqual(h.Value, h.Record) {
		h.Value = record
	}
	h.Meta.Key, h.Meta.Headers, h.Record = m.Key, m.Headers, record // workers read the offset
}

package fetch

import (
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answer handles one partition of a response.
func (l *loop) answer(a *asked, rp *kmsg.FetchResponseTopicPartition) {
	p := a.part
	switch code := wire.Code(rp.ErrorCode); code {
	case wire.None:
		l.records(a, rp)
	case wire.OffsetOutOfRange:
		a.outOfRange = !l.f.unfollow(p) // a replica may lag, so ask the leader
	case wire.CorruptMessage, wire.UnsupportedCompression:
		if !l.f.lasts(p) { // another replica may be intact
			l.refused(p, code)
			return
		}
		err := fmt.Errorf("%v@%d: broker %d cannot return its records: %w", p.tp, a.offset, l.broker, code)
		p.do(func() { p.p.Halt(a.offset, a.offset+1, err) })
	default:
		// moved leaders (5, 6, 9, 74, 75), topics created or deleted (3, 100, 103), a new leader that does
		// not know its end yet (78), disk errors (56), missing permissions (29, 31)
		l.refused(p, code)
	}
}

// refused has a partition read again later.
func (l *loop) refused(p *part, code wire.Code) {
	l.f.retry(p, troubleOf(p.tp, code), time.Now())
	l.f.cfg.OnEvent(Event{Name: "fetch failed", TopicPartition: p.tp, Err: code, Text: "it retries after new metadata"})
	raise(l.f.refresh)
}

// records feeds the records of a partition.
func (l *loop) records(a *asked, rp *kmsg.FetchResponseTopicPartition) {
	p := a.part
	l.f.succeeded(p, rp.PreferredReadReplica)
	p.end = rp.HighWatermark
	if !l.f.cfg.Uncommitted && rp.LastStableOffset >= 0 {
		p.end = rp.LastStableOffset
	}
	from := p.p.Next()
	if from < a.offset {
		return
	}
	p.set = l.f.cfg.Decoder.Open(batch.Fetched{
		Topic: p.tp.Topic, Partition: p.tp.Partition, From: from, HighWater: rp.HighWatermark, Records: rp.RecordBatches,
		Committed: !l.f.cfg.Uncommitted, Aborted: rp.AbortedTransactions, Alloc: p.alloc,
	})
	p.pos, p.from, p.wire = from, from, len(rp.RecordBatches)
	p.do(func() { p.p.Advance(from, p.end) })
	if !p.take() {
		p.set.Keep()
	}
	a.brought = p.pos > a.offset
}

func (f *Fetcher) succeeded(p *part, preferred int32) {
	f.mu.Lock()
	recovered := p.well()
	p.heard = time.Now()
	if preferred >= 0 && p.home != nil && preferred != p.home.broker {
		p.replica, p.advised = preferred, time.Now()
		raise(f.placed)
	}
	f.mu.Unlock()
	if recovered {
		f.cfg.OnTrouble(p.tp, nil)
	}
}

// unfollow returns from a replica to the leader. It returns false if the leader is read already.
func (f *Fetcher) unfollow(p *part) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.replica < 0 {
		return false
	}
	p.replica = -1
	raise(f.placed)
	return true
}

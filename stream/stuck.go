package stream

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// StuckAfter makes /livez fail once a partition has had records in flight for d without finishing
// one. Use it if a handler may hang for good and ignore its Timeout, so that only a restart helps.
// Default: never.
//
// Halted partitions do not count, nor those with parked lanes or records. Nor does the time in
// which anything waits for a retry, a throttle or an acknowledgement, so that an outage causes no
// crash loop; a wait for a Transform's input does count. Progress is checked by /livez itself, so d
// starts with the first probe that saw none. Choose d longer than any record may legitimately take
// in the chain, including the wait of a batch and turns under MaxPartitions.
func (s *Supervisor) StuckAfter(d time.Duration) *Supervisor {
	s.stuck.after, s.stuck.asked = d, true
	return s
}

// stuckAfter remembers since when partitions have made no progress.
type stuckAfter struct {
	after time.Duration
	asked bool

	mu    sync.Mutex // guards stand, and serializes look
	stand map[stillPart]standing
}

type stillPart struct {
	pipeline int
	part     TopicPartition
	epoch    int32
}

type standing struct {
	watermark int64
	inFlight  int // in the tail, once the watermark has reached Next; else 0
	since     time.Time
}

func (s *stuckAfter) fault() error {
	if s.asked && s.after <= 0 {
		return &BuildError{Code: faultRange, What: fmt.Sprintf("StuckAfter(%v) reports every record as stuck", s.after), Fix: "make it longer than any record may take, or leave it out"}
	}
	return nil
}

// heldInside names the Transforms that hold elements of a partition.
func (p *Pipeline) heldInside(tp TopicPartition) (text string) {
	r := p.current()
	if r == nil {
		return ""
	}
	for _, q := range r.all() {
		for _, sg := range r.stages {
			if d := sg.transform; d != nil && q.tp == tp && (d.holds(q) || q.tail != nil && d.holds(q.tail)) {
				text += fmt.Sprintf("; Transform %s holds elements of it", d.st.name)
			}
		}
	}
	return text
}

// look compares the pipelines with how they were at the last call, and reports partitions without
// progress for too long.
func (s *stuckAfter) look(ps []*Pipeline, now time.Time) (err error) {
	if !s.asked {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stand := map[stillPart]standing{}
	for i, p := range ps {
		snap := p.Snapshot()
		if snap.Retrying > 0 || snap.Postponed > 0 || snap.Waiting > snap.handing {
			continue
		}
		for _, q := range snap.Partitions {
			if q.InFlight == 0 || q.State != StateOpen || q.Parked > 0 {
				continue
			}
			key, is := stillPart{i, q.TopicPartition, q.Epoch}, standing{watermark: q.Watermark, since: now}
			if q.Watermark == q.Next {
				is.inFlight = q.InFlight
			}
			if was := s.stand[key]; was.watermark == is.watermark && was.inFlight == is.inFlight && !was.since.IsZero() {
				is.since = was.since
			}
			stand[key] = is
			if still := now.Sub(is.since); still >= s.after {
				err = errors.Join(err, fmt.Errorf("pipeline %s: %v has finished no record for %v; its watermark is %d%s [LW224]",
					p.plan.name, q.TopicPartition, still.Round(time.Second), q.Watermark, p.heldInside(q.TopicPartition)))
			}
		}
	}
	s.stand = stand
	return err
}

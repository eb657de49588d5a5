package stream

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// StuckAfter lets /livez fail when a partition has had records in flight for d without finishing
// one. It is for handlers that may hang for good and heed no Timeout: a restart is then their only
// cure. Not counted is a partition that is halted, and the time while anything waits (retries,
// throttles, acknowledgements; not a Transform's input), so that an outage is no crash loop.
// Progress is looked for by /livez itself, so d begins with the first probe that saw none; choose
// it longer than whatever a record may rightly take in the chain: a batch's wait, its turn under
// MaxPartitions. Default: never.
func (s *Supervisor) StuckAfter(d time.Duration) *Supervisor {
	s.stuck.after, s.stuck.asked = d, true
	return s
}

// stuckAfter remembers since when partitions stand still.
type stuckAfter struct {
	after time.Duration
	asked bool

	mu    sync.Mutex // guards stand, and looks are one at a time
	stand map[stillPart]standing
}

type stillPart struct {
	pipeline int
	part     TopicPartition
	epoch    int32
}

type standing struct {
	watermark int64
	inFlight  int // below a commit, where the watermark is through; else 0
	since     time.Time
}

func (s *stuckAfter) fault() error {
	if s.asked && s.after <= 0 {
		return &BuildError{What: fmt.Sprintf("StuckAfter(%v) takes every record for stuck", s.after), Fix: "give it more than any record may take, or leave it out"}
	}
	return nil
}

// heldInside names the Transforms that hold something of a partition.
func (p *Pipeline) heldInside(tp TopicPartition) (text string) {
	r := p.current()
	if r == nil {
		return ""
	}
	for _, q := range r.all() {
		for _, sg := range r.stages {
			if d := sg.doorway; d != nil && q.tp == tp && (d.holds(q) || q.tail != nil && d.holds(q.tail)) {
				text += fmt.Sprintf("; Transform %s holds elements of it", d.st.name)
			}
		}
	}
	return text
}

// look compares how the pipelines stand with how they stood, and names what stands still for too
// long.
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
			if q.InFlight == 0 || q.State != StateOpen {
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
				err = errors.Join(err, fmt.Errorf("pipeline %s: %v has finished nothing for %v; its watermark stands at %d%s",
					p.plan.name, q.TopicPartition, still.Round(time.Second), q.Watermark, p.heldInside(q.TopicPartition)))
			}
		}
	}
	s.stand = stand
	return err
}
